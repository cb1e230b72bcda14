#include <stdexcept>

#include "tests/unit/runtime_support.hpp"

namespace sluice::test {

namespace {

using words = std::vector<std::string>;

task<int> give(int x) {
  co_return x;
}

task<int> give_later(completion<int>::awaiter when) {
  co_return co_await std::move(when);
}

task<int> fail_with(std::string what) {
  throw std::runtime_error(what);
  co_return 0;
}

task<void> note_sum(words* log, task<int> a, task<int> b) {
  auto sum = co_await std::move(a);
  sum += co_await std::move(b);
  log->push_back(std::to_string(sum));
}

task<void> hold(witness, task<void> inner) {
  co_await std::move(inner);
}

task<void> wait_holding(witness, completion<int>::awaiter when) {
  co_await std::move(when);
}

task<void> catch_failure(words* log, task<int> from) {
  try {
    co_await std::move(from);
  } catch (const std::runtime_error& x) {
    log->push_back(x.what());
  }
}

task<void> log_and_end(words* log, std::string word) {
  log->push_back(word);
  co_return;
}

} // namespace

TEST(runtime_task, is_lazy_and_yields_its_value) {
  words log;
  auto untouched = log_and_end(&log, "never");
  task_scope scope;
  scope.spawn(note_sum(&log, give(20), give(22)));
  EXPECT_EQ(log, words{"42"});
  EXPECT_EQ(scope.size(), 0);
}

TEST(runtime_task, resumes_where_it_waits_and_leaves_its_scope_at_the_end) {
  words log;
  completion<int> meet;
  task_scope scope;
  scope.spawn(note_sum(&log, give_later(meet.wait()), give(1)));
  EXPECT_EQ(scope.size(), 1);
  EXPECT_TRUE(log.empty());
  meet.done()(9);
  EXPECT_EQ(log, words{"10"});
  EXPECT_EQ(scope.size(), 0);
}

TEST(runtime_task, hands_an_exception_to_whoever_awaits) {
  words log;
  task_scope scope;
  scope.spawn(catch_failure(&log, fail_with("broken")));
  EXPECT_EQ(log, words{"broken"});
}

TEST(runtime_task, lets_an_exception_out_to_whoever_resumed_the_root) {
  words log;
  completion<int> meet;
  task_scope scope;
  scope.spawn(note_sum(&log, give_later(meet.wait()), fail_with("broken")));
  EXPECT_THROW(meet.done()(1), std::runtime_error);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(scope.size(), 1) << "the scope still owns what is left";
}

TEST(runtime_task_scope, destroys_all_that_waits_the_newest_root_first) {
  words log;
  completion<int> a, b;
  {
    task_scope scope;
    scope.spawn(hold(witness{log, "outer a"}, wait_holding(witness{log, "inner a"}, a.wait())));
    scope.spawn(wait_holding(witness{log, "b"}, b.wait()));
    EXPECT_EQ(scope.size(), 2);
  }
  EXPECT_EQ(log.front(), "b");
  EXPECT_EQ(log.size(), 3);
}

TEST(runtime_task_scope, keeps_the_others_when_one_ends) {
  words log;
  completion<int> a, b;
  task_scope scope;
  scope.spawn(wait_holding(witness{log, "a"}, a.wait()));
  scope.spawn(wait_holding(witness{log, "b"}, b.wait()));
  a.done()(0);
  EXPECT_EQ(log, words{"a"});
  EXPECT_EQ(scope.size(), 1);
  b.done()(0);
  EXPECT_EQ(log, (words{"a", "b"}));
}

TEST(runtime_task_scope, can_be_cleared_and_used_again) {
  words log;
  completion<int> meet;
  task_scope scope;
  scope.spawn(wait_holding(witness{log, "first"}, meet.wait()));
  scope.clear();
  EXPECT_EQ(log, words{"first"});
  scope.spawn(log_and_end(&log, "second"));
  EXPECT_EQ(log, (words{"first", "second"}));
}

TEST(runtime_completion, happens_exactly_once) {
  words log;
  completion<int> meet;
  task_scope scope;
  scope.spawn(note_sum(&log, give_later(meet.wait()), give(0)));
  auto done = meet.done();
  auto copy = done;
  done(1);
  copy(2);
  done(3);
  EXPECT_EQ(log, words{"1"});
}

TEST(runtime_completion, may_come_before_the_wait) {
  words log;
  completion<int> meet;
  meet.done()(5);
  task_scope scope;
  scope.spawn(note_sum(&log, give_later(meet.wait()), give(0)));
  EXPECT_EQ(log, words{"5"});
}

TEST(runtime_completion, outlives_the_coroutine) {
  words log;
  completion<int> meet;
  auto done = meet.done();
  {
    task_scope scope;
    scope.spawn(note_sum(&log, give_later(meet.wait()), give(0)));
  }
  done(1);
  EXPECT_TRUE(log.empty());
}

} // namespace sluice::test
