#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace sluice {

/// Lets calls through to a handler until it is shut. Thread-safe. A call may shut the gate that it came through.
template <class Handler>
class handler_gate {
public:
  void open(std::shared_ptr<Handler> handler) {
    std::lock_guard guard{mutex_};
    handler_ = std::move(handler);
  }

  template <class Call>
  void pass(Call call) {
    std::shared_ptr<Handler> handler; // ends after the lock, for its end may be that of the gate's owner
    std::lock_guard guard{mutex_};
    handler = handler_;
    if (handler)
      call(*handler);
  }

  /// No call passes after this one.
  template <class Call>
  void pass_last(Call call) {
    std::shared_ptr<Handler> handler;
    std::lock_guard guard{mutex_};
    handler.swap(handler_);
    if (handler)
      call(*handler);
  }

  /// Waits for a call that another thread is making; none begins after this has returned.
  void shut() {
    std::shared_ptr<Handler> handler;
    std::lock_guard guard{mutex_};
    handler.swap(handler_);
  }

private:
  std::recursive_mutex mutex_;
  std::shared_ptr<Handler> handler_;
};

} // namespace sluice
