#pragma once

#include <coroutine>
#include <exception>
#include <list>
#include <optional>
#include <utility>

/// Coroutines that belong to an actor. The properties are written in docs/architecture/runtime.md.

namespace sluice {

template <class T>
class task;

namespace detail {

struct task_promise_base {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;

  struct resume_continuation {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      return done.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  resume_continuation final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct task_promise : task_promise_base {
  std::optional<T> value;

  task<T> get_return_object() noexcept;

  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }

  T take() {
    if (exception)
      std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct task_promise<void> : task_promise_base {
  task<void> get_return_object() noexcept;

  void return_void() const noexcept {}

  void take() {
    if (exception)
      std::rethrow_exception(exception);
  }
};

} // namespace detail

/// A lazy coroutine that yields a `T`: it starts when awaited, and destroying it destroys whatever it waits for.
/// Move-only. Await it once, from a coroutine of the same actor.
template <class T = void>
class [[nodiscard]] task {
public:
  using promise_type = detail::task_promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  explicit task(handle coroutine) noexcept : coroutine_(coroutine) {}
  task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~task() {
    if (coroutine_)
      coroutine_.destroy();
  }

  auto operator co_await() && noexcept {
    struct awaiter {
      handle coroutine;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
        coroutine.promise().continuation = awaiting;
        return coroutine;
      }
      T await_resume() const { return coroutine.promise().take(); }
    };
    return awaiter{coroutine_};
  }

private:
  handle coroutine_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

} // namespace detail

/// Owns the coroutines that an actor has started; a member of the actor's state, destroyed with it, and declared after
/// whatever the coroutines use. Only the actor may touch it.
class task_scope {
public:
  task_scope() = default;
  task_scope(const task_scope&) = delete;
  task_scope& operator=(const task_scope&) = delete;

  ~task_scope() { clear(); }

  /// Runs `work` up to its first suspension, and keeps it until it ends or the scope does. An exception that leaves
  /// it goes to whoever resumed it, so that the actor ends as after an exception in any handler.
  void spawn(task<void> work) {
    auto at = roots_.emplace(roots_.end());
    auto coroutine = run(this, at, std::move(work)).coroutine;
    *at = coroutine;
    coroutine.resume();
  }

  /// Destroys all coroutines, wherever they wait. Must not be called from one of them.
  void clear() noexcept {
    while (!roots_.empty()) {
      auto coroutine = roots_.back();
      roots_.pop_back();
      if (coroutine)
        coroutine.destroy();
    }
  }

  /// Number of coroutines that have not ended.
  std::size_t size() const noexcept { return roots_.size(); }

private:
  using roots = std::list<std::coroutine_handle<>>;

  struct root {
    struct promise_type {
      task_scope* scope;
      roots::iterator at;

      promise_type(task_scope* owner, roots::iterator where, task<void>&) noexcept : scope(owner), at(where) {}

      struct leave {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> done) const noexcept {
          auto& self = done.promise();
          self.scope->roots_.erase(self.at);
          done.destroy();
        }
        void await_resume() const noexcept {}
      };

      root get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      leave final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      // Leaves the frame suspended at its end, still owned by the scope.
      void unhandled_exception() const { throw; }
    };
    std::coroutine_handle<> coroutine;
  };

  static root run(task_scope*, roots::iterator, task<void> work) { co_await std::move(work); }

  roots roots_;
};

} // namespace sluice
