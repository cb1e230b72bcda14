#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

namespace sluice {

/// Where a coroutine and whatever it waits for meet. The coroutine holds an `awaiter`, the other side a `completer`;
/// either may vanish first. Both belong to one actor: what happens on other threads must come back as a message first.
template <class T>
class completion {
  struct shared {
    std::optional<T> value;
    std::coroutine_handle<> waiting;
    bool abandoned = false;
  };

public:
  /// Resumes the coroutine exactly once, or does nothing if it was destroyed. Copyable.
  class completer {
  public:
    explicit completer(std::shared_ptr<shared> state) : state_(std::move(state)) {}

    /// Later calls are ignored. Runs the coroutine up to its next suspension before it returns.
    void operator()(T value) const {
      if (state_->abandoned || state_->value)
        return;
      state_->value.emplace(std::move(value));
      if (auto waiting = std::exchange(state_->waiting, nullptr))
        waiting.resume();
    }

  private:
    std::shared_ptr<shared> state_;
  };

  /// Awaited once. Destroying it abandons the operation.
  class [[nodiscard]] awaiter {
  public:
    explicit awaiter(std::shared_ptr<shared> state) : state_(std::move(state)) {}
    awaiter(awaiter&&) = default;
    ~awaiter() {
      if (state_) {
        state_->abandoned = true;
        state_->waiting = nullptr;
      }
    }

    bool await_ready() const noexcept { return state_->value.has_value(); }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept { state_->waiting = coroutine; }
    T await_resume() { return std::move(*state_->value); }

  private:
    std::shared_ptr<shared> state_;
  };

  completion() : state_(std::make_shared<shared>()) {}

  awaiter wait() const { return awaiter{state_}; }
  completer done() const { return completer{state_}; }

private:
  std::shared_ptr<shared> state_;
};

} // namespace sluice
