#include "tests/support/sim_http.hpp"

#include "tests/support/sim_network.hpp"

namespace sluice::test {

void sim_http::take(const std::shared_ptr<sim_request>& from, http_request what) {
  if (!handler_ || is_finishing_)
    return;
  if (auto at_once = handler_->on_head(what.head))
    return send_back(from, std::move(*at_once));
  waiting_.emplace(++last_, from);
  handler_->on_request(last_, std::move(what));
}

void sim_http::answer(request_id id, http_answer answer) {
  auto found = waiting_.find(id);
  if (found == waiting_.end())
    return;
  send_back(found->second, std::move(answer));
  waiting_.erase(found);
  end_if_finished();
}

void sim_http::finish() {
  is_finishing_ = true;
  end_if_finished();
}

void sim_http::send_back(const std::shared_ptr<sim_request>& to, http_answer answer) {
  net_.after(net_.random_delay(), [to, answer = std::move(answer)] { to->answer_ = answer; });
}

/// Later, for the one who finishes it may hold what the handler wants to have.
void sim_http::end_if_finished() {
  if (!is_finishing_ || !waiting_.empty())
    return;
  net_.after({}, [self = shared_from_this()] {
    if (auto handler = std::exchange(self->handler_, nullptr))
      handler->on_finished();
  });
}

} // namespace sluice::test
