#pragma once

#include <chrono>
#include <type_traits>

#include <caf/action.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_clock.hpp>
#include <caf/expected.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/response_type.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/runtime/completion.hpp"
#include "actors/runtime/task.hpp"
#include "transport/executor.hpp"

/// What a coroutine of an actor can wait for. Every one of them resumes it on its own actor, from a message, and is
/// cancelled by destroying the coroutine. See docs/architecture/runtime.md.

namespace sluice {

/// Runs `work` on the actor as a message of its own; nothing if the actor has ended by then. Thread-safe.
template <class F>
void run_on(const caf::strong_actor_ptr& actor, F work) {
  actor->enqueue(
    caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, caf::make_action(std::move(work))), nullptr);
}

template <class F>
void run_on(caf::scheduled_actor* self, F work) {
  run_on(caf::strong_actor_ptr{self->ctrl()}, std::move(work));
}

/// As `run_on`, after `delay` on the actor clock; not at all once the result is disposed.
template <class F>
caf::disposable run_later(caf::scheduled_actor* self, caf::timespan delay, F work) {
  // The clock passes on only what is not scheduled yet.
  auto& clock = self->clock();
  return clock.schedule(clock.now() + delay, caf::make_action(std::move(work), caf::action::state::waiting),
    caf::weak_actor_ptr{self->ctrl()});
}

/// Waits for a completion, or for `otherwise` to come after `duration`, whichever is first. Its timer leaves the clock
/// with it: the clock sorts all that it holds whenever it is given one, so none may stay for nothing.
template <class T>
class [[nodiscard]] timed_awaiter {
public:
  timed_awaiter(caf::scheduled_actor* self, caf::timespan duration, T otherwise)
    : timer_(run_later(self, duration, [done = meet_.done(), otherwise = std::move(otherwise)] { done(otherwise); })) {}
  timed_awaiter(timed_awaiter&&) = default;
  ~timed_awaiter() { timer_.dispose(); }

  auto done() const { return meet_.done(); }
  auto operator co_await() const { return meet_.wait(); }

private:
  completion<T> meet_;
  caf::disposable timer_;
};

/// `co_await sleep_for(self, 5s)`: a while on the actor clock.
inline timed_awaiter<bool> sleep_for(caf::scheduled_actor* self, caf::timespan duration) {
  return {self, duration, true};
}

namespace detail {

template <class List>
struct request_result;

template <>
struct request_result<caf::detail::type_list<>> {
  using type = void;
};

template <>
struct request_result<caf::detail::type_list<void>> {
  using type = void;
};

template <class T>
struct request_result<caf::detail::type_list<T>> {
  using type = T;
};

} // namespace detail

/// `auto answer = co_await request(self, peer, 30s, args...)`: a `caf::expected` with the answer, or the error:
/// `sec::request_timeout` after `timeout`, or why the peer is gone.
template <class Self, class Handle, class... Ts>
auto request(Self* self, const Handle& peer, caf::timespan timeout, Ts&&... xs) {
  using answers = caf::response_type_t<typename Handle::signatures, std::decay_t<Ts>...>;
  using answer = typename detail::request_result<answers>::type;
  using outcome = caf::expected<answer>;
  timed_awaiter<outcome> waiting{self, timeout, outcome{caf::make_error(caf::sec::request_timeout)}};
  // CAF's own timeout would stay in the clock when the answer has come.
  auto pending = self->request(peer, caf::infinite, std::forward<Ts>(xs)...);
  auto on_error = [done = waiting.done()](caf::error& reason) { done(outcome{std::move(reason)}); };
  if constexpr (std::is_void_v<answer>)
    std::move(pending).then([done = waiting.done()] { done(outcome{caf::unit}); }, on_error);
  else
    std::move(pending).then([done = waiting.done()](answer& x) { done(outcome{std::move(x)}); }, on_error);
  return waiting;
}

/// `auto result = co_await run_blocking(self, io, work)`: runs `work` on the executor and gives back what it returns.
/// `work` must own all it touches: it goes on when the actor has ended meanwhile, and its result is then dropped.
template <class F>
auto run_blocking(caf::scheduled_actor* self, executor& io, F work) {
  using outcome = std::invoke_result_t<F&>;
  completion<outcome> meet;
  io.post([actor = caf::strong_actor_ptr{self->ctrl()}, done = meet.done(),
            work = std::make_shared<F>(std::move(work))]() mutable {
    auto result = std::make_shared<outcome>((*work)());
    work.reset();
    run_on(actor, [done = std::move(done), result = std::move(result)] { done(std::move(*result)); });
  });
  return meet.wait();
}

/// Wakes one waiting coroutine of the actor. A notification that nobody waits for is kept for the next wait; several
/// count as one.
class signal {
public:
  explicit signal(caf::scheduled_actor* self) : self_(self) {}

  /// The waiting coroutine resumes from a message of its own, not from within this call.
  void notify() {
    if (!std::exchange(notified_, true) && waiting_)
      run_on(self_, [done = *std::exchange(waiting_, std::nullopt)] { done(true); });
  }

  task<void> wait() {
    if (!notified_) {
      completion<bool> meet;
      waiting_ = meet.done();
      co_await meet.wait();
    }
    notified_ = false;
  }

  /// As `wait`, for at most `timeout`. Returns whether there was a notification.
  task<bool> wait_for(caf::timespan timeout) {
    if (!notified_) {
      timed_awaiter<bool> waiting{self_, timeout, false};
      waiting_ = waiting.done();
      co_await waiting;
      waiting_.reset();
    }
    co_return std::exchange(notified_, false);
  }

private:
  caf::scheduled_actor* self_;
  bool notified_ = false;
  std::optional<completion<bool>::completer> waiting_;
};

/// Lets a handler be a coroutine: `return answer_with(self, scope, work(args...))`. The sender gets what `work`
/// yields, or `sec::broken_promise` if the actor ends first.
template <class T, class Self>
caf::typed_response_promise<T> answer_with(Self* self, task_scope& scope, task<caf::expected<T>> work) {
  auto promise = self->template make_response_promise<T>();
  scope.spawn([](caf::typed_response_promise<T> to, task<caf::expected<T>> from) -> task<void> {
    auto result = co_await std::move(from);
    if (!result)
      to.deliver(std::move(result.error()));
    else if constexpr (std::is_void_v<T>)
      to.deliver();
    else
      to.deliver(std::move(*result));
  }(promise, std::move(work)));
  return promise;
}

} // namespace sluice
