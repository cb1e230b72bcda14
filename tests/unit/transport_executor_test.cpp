#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "transport/executor.hpp"

namespace sluice {
namespace {

TEST(executor_test, runs_elsewhere_and_side_by_side) {
  auto workers = make_thread_executor(2);
  std::promise<void> first_runs, second_runs;
  std::promise<std::thread::id> ran_on;
  workers->post([&] {
    first_runs.set_value();
    second_runs.get_future().wait(); // for ever, were there only one thread
    ran_on.set_value(std::this_thread::get_id());
  });
  workers->post([&] {
    first_runs.get_future().wait();
    second_runs.set_value();
  });
  EXPECT_NE(ran_on.get_future().get(), std::this_thread::get_id());
}

TEST(executor_test, its_end_waits_for_all_work) {
  std::atomic<int> done = 0;
  auto workers = make_thread_executor(2);
  for (int i = 0; i < 1'000; ++i)
    workers->post([&] { ++done; });
  workers.reset();
  EXPECT_EQ(done, 1'000);
}

} // namespace
} // namespace sluice
