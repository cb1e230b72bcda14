#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "actors/intake/delivery_watch.hpp"
#include "actors/intake/submission_queue.hpp"
#include "actors/intake/submission_ring.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

record make_record(std::string_view body, std::span<const attribute> attributes = {}) {
  return {.body = body, .level = {}, .attributes = attributes, .time = timestamp{}};
}

std::string text_of(const record_view& x) {
  std::string text;
  for (auto& [key, value] : x.attributes)
    text.append(key).append("=").append(value).append(" ");
  return text.append(x.body);
}

/// Takes all that is there.
std::vector<std::string> drain(submission_ring& from) {
  std::vector<std::string> found;
  record_view view;
  EXPECT_TRUE(from.take(from.end(), view, [&](const record_view& x) {
    found.push_back(text_of(x));
    return true;
  }));
  return found;
}

/// Bodies of lengths that a seed decides, each told by its number.
class numbered_bodies {
public:
  numbered_bodies(std::uint64_t seed, std::size_t most) : random_(seed), most_(most) {}

  std::string next() {
    auto text = std::to_string(number_++) + ' ';
    return text.append(random_() % most_ >> random_() % 8, 'x');
  }

private:
  std::mt19937_64 random_;
  std::size_t most_;
  std::uint64_t number_ = 0;
};

} // namespace

TEST(submission_ring, gives_back_what_was_pushed) {
  submission_ring ring{submission_ring::least_bytes};
  attribute attributes[] = {{"user", "ada"}, {"empty", ""}};
  record pushed{.body = {"a\0b\n", 4}, .level = severity::alert, .attributes = attributes, .time = timestamp{7ns}};
  ASSERT_TRUE(ring.push(pushed, submission_ring::bytes_of(pushed)));
  ASSERT_TRUE(ring.push(make_record(""), submission_ring::bytes_of(make_record(""))));
  std::vector<record_view> found;
  record_view view;
  std::size_t taken = 0;
  EXPECT_TRUE(ring.take(ring.end(), view, [&](const record_view& x) {
    if (taken++ == 0) {
      EXPECT_EQ(x.body, pushed.body);
      EXPECT_EQ(x.level, severity::alert);
      EXPECT_EQ(x.time, timestamp{7ns});
      EXPECT_EQ(text_of(x), "user=ada empty= " + std::string{pushed.body});
    } else {
      EXPECT_EQ(text_of(x), "");
      EXPECT_EQ(x.level, std::nullopt);
    }
    return true;
  }));
  EXPECT_EQ(taken, 2);
  EXPECT_TRUE(ring.empty());
}

TEST(submission_ring, is_full_and_takes_more_once_something_is_taken) {
  submission_ring ring{submission_ring::least_bytes};
  std::string body(1000, 'x');
  auto bytes = submission_ring::bytes_of(make_record(body));
  auto pushed = 0;
  while (ring.push(make_record(body), bytes))
    ++pushed;
  EXPECT_EQ(pushed, submission_ring::least_bytes / bytes);
  record_view view;
  EXPECT_FALSE(ring.take(ring.end(), view, [](const record_view&) { return false; }));
  EXPECT_EQ(drain(ring).size(), pushed - 1);
  EXPECT_TRUE(ring.push(make_record(body), bytes));
}

TEST(submission_ring, has_room_for_the_largest_record_wherever_it_begins) {
  submission_ring ring{submission_ring::least_bytes};
  std::string largest(ring.max_record_bytes() - submission_ring::bytes_of(make_record("")), 'x');
  for (auto offset = 0; offset < 600; ++offset) {
    auto bytes = submission_ring::bytes_of(make_record(largest));
    ASSERT_EQ(bytes, ring.max_record_bytes());
    ASSERT_TRUE(ring.push(make_record(largest), bytes)) << offset;
    ASSERT_EQ(drain(ring), std::vector{largest});
    ASSERT_TRUE(ring.push(make_record("shift"), submission_ring::bytes_of(make_record("shift"))));
    ASSERT_EQ(drain(ring), std::vector<std::string>{"shift"});
  }
}

TEST(submission_ring, keeps_order_and_content_between_two_threads) {
  constexpr std::uint64_t records = 20'000;
  auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  submission_ring ring{16 * 1024};
  std::jthread producer{[&] {
    numbered_bodies bodies{seed, 4000};
    for (std::uint64_t i = 0; i < records; ++i) {
      auto body = bodies.next();
      auto made = make_record(body);
      while (!ring.push(made, submission_ring::bytes_of(made)))
        std::this_thread::yield();
    }
  }};
  numbered_bodies expected{seed, 4000};
  std::mt19937_64 random{seed + 1};
  record_view view;
  for (std::uint64_t taken = 0; taken < records;)
    ring.take(ring.end(), view, [&](const record_view& x) {
      EXPECT_EQ(x.body, expected.next());
      ++taken;
      return random() % 16 != 0;
    });
  EXPECT_TRUE(ring.empty());
}

TEST(delivery_watch, counts_the_records_before_a_position) {
  delivery_watch watch;
  watch.mark(10, 1);
  watch.mark(30, 5);
  watch.reach(9);
  EXPECT_EQ(watch.records(), 0);
  watch.reach(29);
  EXPECT_EQ(watch.records(), 1);
  watch.reach(50); // before it is told what ends there
  EXPECT_EQ(watch.records(), 5);
  watch.mark(50, 9);
  EXPECT_EQ(watch.records(), 9);
  watch.reach(20);
  EXPECT_EQ(watch.position(), 50);
}

namespace {

/// Takes what threads submit, as the intake does, in a thread of its own, and says that it is durable.
class taking_thread {
public:
  explicit taking_thread(submission_queue& from) : from_(from), thread_([this](std::stop_token stop) { run(stop); }) {}

  /// By the first word of the body.
  std::map<std::string, std::vector<std::string>> stop() {
    thread_.request_stop();
    from_.attach([this] { wake(); });
    thread_.join();
    return std::move(found_);
  }

  std::uint64_t wake_ups() const noexcept { return wake_ups_; }

private:
  void wake() {
    ++wake_ups_;
    is_awake_ = true;
    is_awake_.notify_all();
  }

  void run(std::stop_token stop) {
    from_.attach([this] { wake(); });
    record_view view;
    std::uint64_t taken = 0;
    for (;;) {
      is_awake_.wait(false);
      is_awake_ = false;
      do {
        auto is_last = stop.stop_requested();
        auto pass = from_.begin_pass();
        auto all = from_.take(view, [&](const record_view& x) {
          found_[std::string{x.body.substr(0, x.body.find(' '))}].emplace_back(x.body);
          return ++taken % 7 != 0;
        });
        from_.mark(taken, taken);
        if (all && pass.asks)
          from_.end_pass(pass, taken);
        from_.reach(submission_queue::stage::received, taken);
        if (is_last && all)
          return;
        if (!all)
          is_awake_ = true;
      } while (!is_awake_ && !from_.rest());
    }
  }

  submission_queue& from_;
  std::map<std::string, std::vector<std::string>> found_;
  std::atomic<bool> is_awake_ = false;
  std::atomic<std::uint64_t> wake_ups_ = 0;
  std::jthread thread_;
};

} // namespace

TEST(submission_queue, brings_what_threads_submit_in_the_order_of_each) {
  submission_queue queue{{.ring_bytes = 8 * 1024, .block_for = 1h}};
  taking_thread intake{queue};
  constexpr auto threads = 4, records = 3000;
  {
    std::vector<std::jthread> submitting;
    for (auto thread = 0; thread < threads; ++thread)
      submitting.emplace_back([&queue, thread] {
        for (auto i = 0; i < records; ++i) {
          auto body = std::to_string(thread) + ' ' + std::to_string(i);
          EXPECT_EQ(queue.submit(make_record(body)), errc::none);
          if (i % 500 == 0) {
            EXPECT_TRUE(queue.flush(submission_queue::stage::received, submission_queue::clock::now() + 1h));
            EXPECT_GE(queue.counts().received, i);
          }
        }
      });
  }
  EXPECT_TRUE(queue.flush(submission_queue::stage::received, submission_queue::clock::now() + 1h));
  auto counts = queue.counts();
  EXPECT_EQ(counts.submitted, threads * records);
  EXPECT_EQ(counts.received, threads * records);
  auto found = intake.stop();
  EXPECT_EQ(found.size(), threads);
  for (auto& [thread, bodies] : found) {
    ASSERT_EQ(bodies.size(), records);
    for (auto i = 0; i < records; ++i)
      ASSERT_EQ(bodies[i], thread + ' ' + std::to_string(i));
  }
}

TEST(submission_queue, drops_and_counts_what_it_has_no_room_for) {
  submission_queue queue{{.ring_bytes = 4 * 1024}};
  std::string body(1000, 'x');
  std::uint64_t accepted = 0;
  while (queue.submit(make_record(body)) == errc::none)
    ++accepted;
  EXPECT_EQ(queue.submit(make_record(body)), errc::overloaded);
  EXPECT_EQ(queue.counts().submitted, accepted);
  EXPECT_EQ(queue.counts().full, 2);
  EXPECT_EQ(queue.take_dropped(), 2);
  EXPECT_EQ(queue.take_dropped(), 0);
}

TEST(submission_queue, refuses_what_no_batch_can_hold) {
  submission_queue queue{{.ring_bytes = 1024 * 1024}};
  std::string large(600 * 1024, 'x');
  EXPECT_EQ(queue.submit(make_record(large)), errc::too_large);
  attribute no_key[] = {{"", "value"}};
  EXPECT_EQ(queue.submit(make_record("", no_key)), errc::invalid_argument);
  attribute long_value[] = {{"key", std::string_view{large}.substr(0, 65 * 1024)}};
  EXPECT_EQ(queue.submit(make_record("", long_value)), errc::too_large);
  std::vector<attribute> many(65, {"key", "value"});
  EXPECT_EQ(queue.submit(make_record("", many)), errc::invalid_argument);
  EXPECT_EQ(queue.counts().refused, 4);
  EXPECT_EQ(queue.counts().submitted, 0);
}

TEST(submission_queue, does_not_flush_what_was_not_taken) {
  submission_queue queue{{}};
  EXPECT_EQ(queue.submit(make_record("x")), errc::none);
  EXPECT_FALSE(queue.flush(submission_queue::stage::received, submission_queue::clock::now()));
  queue.fail({errc::actor_failed, "a test"});
  EXPECT_FALSE(queue.flush(submission_queue::stage::received, submission_queue::clock::time_point::max()));
  EXPECT_EQ(queue.submit(make_record("x")), errc::shutting_down);
  EXPECT_EQ(queue.failure()->message, "a test");
}

TEST(submission_queue, flushes_though_more_comes_than_is_taken) {
  submission_queue queue{{}};
  for (auto i = 0; i < 10; ++i)
    EXPECT_EQ(queue.submit(make_record("before")), errc::none);
  std::atomic<bool> has_returned = false;
  std::jthread flushing{[&] {
    EXPECT_TRUE(queue.flush(submission_queue::stage::received, submission_queue::clock::now() + 1h));
    has_returned = true;
  }};
  record_view view;
  std::uint64_t taken = 0;
  for (auto rounds = 0; !has_returned;) {
    std::ignore = queue.submit(make_record("meanwhile"));
    auto pass = queue.begin_pass();
    auto all = queue.take(view, [&](const record_view&) {
      ++taken;
      return false;
    });
    queue.mark(taken, taken);
    queue.reach(submission_queue::stage::received, taken);
    if (all && pass.asks)
      queue.end_pass(pass, taken);
    if (pass.asks && ++rounds == 1000)
      queue.fail({errc::timed_out, "the flush does not return"});
    if (!pass.asks || rounds > 100)
      std::this_thread::yield();
  }
  EXPECT_GE(taken, 10);
}

TEST(submission_queue, keeps_counting_what_threads_that_have_ended_have_submitted) {
  submission_queue queue{{}};
  taking_thread intake{queue};
  for (auto i = 0; i < 20; ++i)
    std::jthread{[&] { EXPECT_EQ(queue.submit(make_record("x")), errc::none); }};
  EXPECT_TRUE(queue.flush(submission_queue::stage::received, submission_queue::clock::now() + 1h));
  EXPECT_EQ(queue.counts().submitted, 20);
  EXPECT_EQ(intake.stop()["x"].size(), 20);
}

TEST(submission_queue, tells_two_of_them_apart_in_one_thread) {
  auto first = std::make_unique<submission_queue>(submission_limits{});
  submission_queue second{{}};
  for (auto i = 0; i < 3; ++i) {
    EXPECT_EQ(first->submit(make_record("x")), errc::none);
    EXPECT_EQ(second.submit(make_record("x")), errc::none);
  }
  EXPECT_EQ(first->counts().submitted, 3);
  first = std::make_unique<submission_queue>(submission_limits{});
  EXPECT_EQ(first->submit(make_record("x")), errc::none);
  EXPECT_EQ(first->counts().submitted, 1);
  EXPECT_EQ(second.counts().submitted, 3);
}

} // namespace sluice::test
