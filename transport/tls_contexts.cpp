#include "transport/tls_contexts.hpp"

#include <boost/asio/post.hpp>

namespace sluice {

namespace {

constexpr auto interval = std::chrono::seconds{5};

std::chrono::seconds left_until(std::chrono::system_clock::time_point end) {
  return std::chrono::floor<std::chrono::seconds>(end - std::chrono::system_clock::now());
}

} // namespace

expected<std::shared_ptr<const tls_context>> tls_contexts::open(tls_files files, tls_side side) {
  auto made = tls_context::open(std::move(files), side);
  if (!made)
    return fail(made.error());
  {
    std::lock_guard guard{mutex_};
    contexts_.push_back(*made);
  }
  refresh();
  return *made;
}

void tls_contexts::refresh() {
  boost::asio::post(timer_.get_executor(), [self = shared_from_this()] { self->look(); });
}

void tls_contexts::report_to(expiry_handler handler) {
  std::lock_guard guard{mutex_};
  report_ = std::move(handler);
}

void tls_contexts::stop() {
  boost::asio::post(timer_.get_executor(), [self = shared_from_this()] {
    self->is_stopped_ = true;
    self->timer_.cancel();
  });
}

void tls_contexts::look() {
  if (is_stopped_)
    return;
  std::lock_guard guard{mutex_};
  std::erase_if(contexts_, [](auto& x) { return x.expired(); });
  for (auto& x : contexts_) {
    auto context = x.lock();
    if (!context)
      continue;
    context->refresh();
    if (report_)
      for (auto& [file, at] : context->expiries())
        report_(file, left_until(at));
  }
  if (!contexts_.empty())
    wait();
}

void tls_contexts::wait() {
  timer_.expires_after(interval);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (!failure)
      self->look();
  });
}

} // namespace sluice
