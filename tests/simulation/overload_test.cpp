#include <map>
#include <random>

#include <caf/typed_event_based_actor.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/source/file_source.hpp"
#include "actors/source/pipe_reader.hpp"
#include "tests/support/scripted_pipe.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// What a source has handed on: text, or how many records it has dropped.
struct handed_on {
  std::uint64_t end = 0; ///< Position.
  std::string text;
  std::string reason; ///< Of a gap.
  std::uint32_t records = 0;
};

enum class kind { file, pipe };

/// A file that grows and is followed, or a pipe, under some policy, and behind its source a batcher by hand, which
/// takes what it is given as fast as the test lets it and forgets it now and then as a receiver does that comes back
/// without it.
class overloaded_source {
public:
  overloaded_source(std::uint64_t seed, kind what, overload_policy policy)
    : kind_(what), world_(seed), files_(seed), random_(seed) {
    spdlog::set_level(spdlog::level::off);
    files_.set_content(path, "");
    batcher_ = process_.own(process_.system().spawn([this](batcher_actor::pointer) -> batcher_actor::behavior_type {
      return {
        [this](const open_stream& x) {
          welcome_later(x.stream, {acked_ > 0, acked_ > 0, acked_});
        },
        [this](const restart_stream& x) { restart(x); },
        [this](const chunk& x) {
          take(x.position_begin, {x.position_end, std::string{x.lines->text()}, {}, x.record_count});
        },
        [this](const gap& x) {
          take(x.position_begin, {x.position_end, {}, x.reason, x.record_count});
        },
        [](idle_atom, const stream_id&) {},
        [](const end_stream&) {},
        [](const close_stream&) {},
        [](end_of_input_atom) {},
        [](const welcome&) {},
        [](const ack&) {},
        [](flush_atom) {},
      };
    }));
    if (kind_ == kind::file)
      config_.follow.patterns = {path};
    else
      config_.paths = {path};
    if (kind_ == kind::pipe)
      config_.pipes[path] = std::make_shared<pipe_reader>(path, id128{7}, pipe_);
    config_.window_bytes = kind_ == kind::file ? 2'000 : 100'000; // a pipe is read far ahead of it
    config_.limits.max_bytes = 500;
    config_.overload = {.policy = policy, .max_lag_bytes = max_lag_bytes};
    start();
  }

  /// Its supervisor starts a source that has failed again.
  void restart_source() {
    caf::anon_send_exit(source_, caf::exit_reason::kill);
    is_restarting_ = true;
    start();
  }

  /// Lets it grow, by lines that say their number and how severe they are.
  void write(int lines) {
    constexpr std::string_view levels[] = {"error", "warning", "info", "debug"};
    std::string more;
    for (; lines > 0; --lines)
      more += fmt::format("{} {} {}\n", levels[random_() % 4], ++written_, std::string(random_() % 40, '.'));
    content_ += more;
    if (kind_ == kind::file)
      files_.set_content(path, content_);
    else
      pipe_->write(more);
  }

  /// Bytes that whoever writes to the pipe has to wait with.
  std::size_t waiting_bytes() const { return pipe_->unread_bytes(); }

  void run_for(caf::timespan time) { world_.run_for(time); }

  /// Acknowledges some of what it has.
  void acknowledge() {
    if (taken_.empty() || is_restarting_)
      return;
    auto at = std::next(taken_.begin(), static_cast<std::ptrdiff_t>(random_() % taken_.size()));
    acked_ = std::max(acked_, at->second.end);
    caf::anon_send(source_, ack{stream_, {1, 1, acked_}});
  }

  /// Forgets what is not acknowledged.
  void forget() {
    if (!is_restarting_ && stream_ != stream_id{})
      welcome_later(stream_, {1, 1, acked_});
  }

  /// Takes all that comes until there is no more.
  bool drain() {
    pipe_->end();
    auto is_done = [this] {
      if (!taken_.empty() && !is_restarting_)
        caf::anon_send(source_, ack{stream_, {1, 1, acked_ = taken_.rbegin()->second.end}});
      world_.run_for(1s);
      return acked_ == content_.size();
    };
    for (int i = 0; i < 300; ++i)
      if (is_done())
        return true;
    return false;
  }

  const std::map<std::uint64_t, handed_on>& taken() const { return taken_; }
  const std::string& content() const { return content_; }

  static constexpr std::uint64_t max_lag_bytes = 5'000;

private:
  void start() {
    source_ = process_.own(
      spawn_file_source(process_.system(), process_.env(), config_, std::make_shared<buffer_pool>(), batcher_));
  }

  void welcome_later(const stream_id& stream, stream_point last) {
    stream_ = stream;
    is_restarting_ = true;
    caf::anon_send(source_, welcome{stream, last});
  }

  void restart(const restart_stream& x) {
    is_restarting_ = false;
    taken_.erase(taken_.lower_bound(x.last.position), taken_.end());
  }

  void take(std::uint64_t begin, handed_on what) {
    if (!is_restarting_)
      taken_[begin] = std::move(what);
  }

  static inline const std::string path = "/log/app";
  const kind kind_;
  sim_world world_;
  sim_file_system files_;
  sim_process process_{world_, "client", files_, 1};
  std::mt19937_64 random_;
  std::shared_ptr<scripted_pipe> pipe_ = std::make_shared<scripted_pipe>();
  file_source_config config_;
  batcher_actor batcher_;
  source_actor source_;
  std::string content_;
  stream_id stream_;
  bool is_restarting_ = false;
  std::uint64_t written_ = 0, acked_ = 0;
  std::map<std::uint64_t, handed_on> taken_; ///< By position.
};

/// What was dropped of a file, if what was handed on is all of it in order, each line as it is or counted in a gap.
std::string dropped_text(const overloaded_source& from) {
  auto content = from.content();
  std::string dropped;
  std::uint64_t position = 0;
  for (auto& [begin, x] : from.taken()) {
    EXPECT_EQ(begin, position) << "joins";
    auto text = content.substr(begin, x.end - begin);
    EXPECT_EQ(x.records, count_lines(text));
    if (x.reason.empty()) {
      EXPECT_EQ(x.text, text);
    } else {
      EXPECT_TRUE(text.ends_with('\n'));
      dropped += text;
    }
    position = x.end;
  }
  EXPECT_EQ(position, content.size());
  return dropped;
}

/// Some minutes of a busy file or pipe and a slow receiver.
void overload(overloaded_source& what, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  for (int i = 0; i < 100; ++i) {
    what.write(static_cast<int>(random() % 40));
    what.run_for(std::chrono::milliseconds{random() % 3'000});
    if (random() % 3 == 0)
      what.acknowledge();
    if (random() % 20 == 0)
      what.forget();
    if (random() % 20 == 0)
      what.restart_source();
  }
}

} // namespace

class overload_of_a_file : public testing::TestWithParam<std::uint64_t> {};

TEST_P(overload_of_a_file, keeps_all_when_it_blocks) {
  overloaded_source file{GetParam(), kind::file, overload_policy::block};
  overload(file, GetParam());
  ASSERT_TRUE(file.drain());
  EXPECT_EQ(dropped_text(file), "");
}

TEST_P(overload_of_a_file, counts_what_it_drops_of_the_oldest) {
  overloaded_source file{GetParam(), kind::file, overload_policy::drop_oldest};
  overload(file, GetParam());
  file.write(200);
  file.run_for(10s);
  ASSERT_TRUE(file.drain());
  EXPECT_NE(dropped_text(file), "");
  EXPECT_TRUE(file.taken().rbegin()->second.reason.empty()) << "the newest is kept";
}

TEST_P(overload_of_a_file, counts_what_it_drops_of_the_newest) {
  overloaded_source file{GetParam(), kind::file, overload_policy::drop_newest};
  file.write(400);
  file.run_for(10s);
  overload(file, GetParam());
  ASSERT_TRUE(file.drain());
  EXPECT_NE(dropped_text(file), "");
  std::uint64_t kept = 0;
  for (auto& [begin, x] : file.taken()) {
    if (!x.reason.empty())
      break;
    kept = x.end;
  }
  EXPECT_GE(kept, overloaded_source::max_lag_bytes) << "the oldest is kept";
}

TEST_P(overload_of_a_file, sheds_what_is_not_severe) {
  overloaded_source file{GetParam(), kind::file, overload_policy::shed};
  file.write(400);
  overload(file, GetParam());
  ASSERT_TRUE(file.drain());
  auto dropped = dropped_text(file);
  EXPECT_NE(dropped, "");
  EXPECT_EQ(dropped.find("error"), dropped.npos);
  EXPECT_EQ(dropped.find("warning"), dropped.npos);
}

class overload_of_a_pipe : public testing::TestWithParam<std::uint64_t> {};

TEST_P(overload_of_a_pipe, keeps_all_when_it_blocks_or_leaves_it_to_the_spool) {
  for (auto policy : {overload_policy::block, overload_policy::drop_oldest, overload_policy::spill}) {
    overloaded_source pipe{GetParam(), kind::pipe, policy};
    pipe.write(10'000);
    pipe.run_for(10s);
    EXPECT_GT(pipe.waiting_bytes(), 0) << "whoever writes waits";
    overload(pipe, GetParam());
    ASSERT_TRUE(pipe.drain());
    EXPECT_EQ(dropped_text(pipe), "");
  }
}

TEST_P(overload_of_a_pipe, counts_what_it_drops_of_the_newest) {
  overloaded_source pipe{GetParam(), kind::pipe, overload_policy::drop_newest};
  pipe.write(10'000); // much more than is read at once
  pipe.run_for(10s);
  EXPECT_EQ(pipe.waiting_bytes(), 0) << "nobody who writes waits";
  overload(pipe, GetParam());
  ASSERT_TRUE(pipe.drain());
  EXPECT_NE(dropped_text(pipe), "");
}

TEST_P(overload_of_a_pipe, loses_nothing_to_a_short_wait) {
  overloaded_source pipe{GetParam(), kind::pipe, overload_policy::drop_newest};
  for (int i = 0; i < 50; ++i) {
    pipe.write(100);
    pipe.run_for(500ms);
    pipe.acknowledge();
  }
  ASSERT_TRUE(pipe.drain());
  EXPECT_EQ(dropped_text(pipe), "");
}

TEST_P(overload_of_a_pipe, sheds_what_is_not_severe) {
  overloaded_source pipe{GetParam(), kind::pipe, overload_policy::shed};
  pipe.write(10'000);
  overload(pipe, GetParam());
  ASSERT_TRUE(pipe.drain());
  std::string kept;
  std::uint64_t gap_records = 0;
  for (auto& [begin, x] : pipe.taken()) {
    kept += x.text;
    gap_records += x.reason.empty() ? 0 : x.records;
  }
  // Every line that was written is kept, in its place, or is not severe.
  std::string_view left = kept;
  std::uint64_t missing = 0;
  for (std::string_view rest = pipe.content(); !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(line.size());
    if (left.starts_with(line)) {
      left.remove_prefix(line.size());
    } else {
      ++missing;
      EXPECT_GT(severity_of(line), severity::warning) << line;
    }
  }
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(missing, gap_records);
  EXPECT_GT(missing, 0);
}

INSTANTIATE_TEST_SUITE_P(seeds, overload_of_a_pipe, testing::Range<std::uint64_t>(1, 9));
INSTANTIATE_TEST_SUITE_P(seeds, overload_of_a_file, testing::Range<std::uint64_t>(1, 21));

} // namespace sluice::test
