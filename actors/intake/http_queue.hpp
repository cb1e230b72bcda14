#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "messages/ingest/http_ingest.hpp"
#include "transport/http.hpp"

namespace sluice {

/// The requests that were not looked at yet. It outlives the actor that looks, so that none is lost between two of
/// them; the listener bounds what it holds. Thread-safe.
class http_queue final : public http_handler {
public:
  using entry = std::pair<request_id, http_request>;

  explicit http_queue(const http_ingest& endpoints) : endpoints_(endpoints) {}

  std::optional<http_answer> on_head(const http_head& head) override {
    auto answer = endpoints_.answer_at_once(head);
    if (answer && answer->status >= 400)
      on_refused(answer->status);
    return answer;
  }

  void on_request(request_id id, http_request request) override {
    change([&] { requests_.emplace_back(id, std::move(request)); });
  }

  void on_refused(unsigned status) override {
    change([&] { ++refused_[status]; });
  }

  void on_finished() override {
    change([&] { is_finished_ = true; });
  }

  /// Calls `wake` when something comes, and at once if something is there.
  void attach(std::function<void()> wake) {
    std::lock_guard guard{mutex_};
    wake_ = std::move(wake);
    wake_();
  }

  /// The oldest request.
  std::optional<entry> take() {
    std::lock_guard guard{mutex_};
    if (requests_.empty())
      return std::nullopt;
    auto first = std::move(requests_.front());
    requests_.pop_front();
    return first;
  }

  /// How many requests were refused before they were whole, by status, since the last time.
  std::map<unsigned, std::uint64_t> take_refused() {
    std::lock_guard guard{mutex_};
    return std::exchange(refused_, {});
  }

  /// Nothing is there, and nothing comes any more.
  bool is_finished() {
    std::lock_guard guard{mutex_};
    return is_finished_ && requests_.empty();
  }

private:
  template <class Change>
  void change(Change what) {
    std::lock_guard guard{mutex_};
    auto is_first = requests_.empty() && refused_.empty();
    what();
    if ((is_first || is_finished_) && wake_)
      wake_();
  }

  const http_ingest endpoints_;
  std::mutex mutex_;
  std::deque<entry> requests_;
  std::map<unsigned, std::uint64_t> refused_;
  bool is_finished_ = false;
  std::function<void()> wake_;
};

} // namespace sluice
