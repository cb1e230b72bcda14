/// What a thread pays to submit a record. A queue of strings behind a mutex, emptied by another thread, is the
/// yardstick.

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <sluice/local_node.hpp>

#include "actors/intake/submission_queue.hpp"

namespace sluice {

namespace {

const std::string body(200, 'x');

/// What programs write who do it themselves.
class locked_queue {
public:
  locked_queue() : thread_([this](std::stop_token stop) { run(stop); }) {}

  void submit(benchmark::State&, std::string_view text) {
    {
      std::lock_guard guard{mutex_};
      texts_.emplace_back(text);
    }
    filled_.notify_one();
  }

private:
  void run(std::stop_token stop) {
    std::size_t bytes = 0;
    for (std::unique_lock guard{mutex_}; filled_.wait(guard, stop, [this] { return !texts_.empty(); });) {
      auto taken = std::exchange(texts_, {});
      guard.unlock();
      for (auto& x : taken)
        bytes += x.size();
      benchmark::DoNotOptimize(bytes);
      guard.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any filled_;
  std::vector<std::string> texts_;
  std::jthread thread_;
};

/// The rings of the library. Who finds its own full empties them all; that is not measured.
class ring_queue {
public:
  void submit(benchmark::State& state, std::string_view text) {
    while (queue_.submit({.body = text, .time = timestamp{}}) != errc::none) {
      state.PauseTiming();
      take_all();
      state.ResumeTiming();
    }
  }

private:
  void take_all() {
    std::lock_guard guard{mutex_};
    queue_.begin_pass();
    queue_.take(view_, [](const record_view& x) {
      benchmark::DoNotOptimize(x.body.data());
      return true;
    });
  }

  submission_queue queue_{{}};
  std::mutex mutex_;
  record_view view_;
};

template <class Queue>
void submit_to(benchmark::State& state) {
  static Queue* queue = nullptr;
  if (state.thread_index() == 0)
    queue = new Queue;
  for (auto _ : state)
    queue->submit(state, body);
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0)
    delete queue;
}

BENCHMARK(submit_to<locked_queue>)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(submit_to<ring_queue>)->Threads(1)->Threads(2)->UseRealTime();

/// All of it: with a time stamp, and a shipper that has no receiver and drops what it has no room for.
void submit_to_shipper(benchmark::State& state) {
  static std::optional<shipper> to;
  if (state.thread_index() == 0) {
    auto node = local_node::start();
    shipper_options options;
    options.to = {"tcp://127.0.0.1:1"};
    options.drain_timeout = std::chrono::milliseconds{0};
    to.emplace(std::move(*node->spawn_shipper(options)));
  }
  std::uint64_t dropped = 0;
  for (auto _ : state)
    dropped += to->submit({.body = body}) != errc::none;
  state.SetItemsProcessed(state.iterations());
  state.counters["dropped"] = static_cast<double>(dropped);
  if (state.thread_index() == 0)
    to.reset();
}

BENCHMARK(submit_to_shipper)->Threads(1)->Threads(2)->Iterations(100'000)->UseRealTime();

} // namespace

} // namespace sluice
