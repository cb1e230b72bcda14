#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sluice/local_node.hpp>
#include <sluice/spdlog_sink.hpp>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Nobody listens there.
const std::string nowhere = "tcp://127.0.0.1:1";

/// Which nobody listens on at the moment.
std::uint16_t free_port() {
  auto probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(probe, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(probe);
  return ntohs(address.sin_port);
}

class library : public testing::Test {
protected:
  /// Of the default logger, which must not be exchanged while threads use it.
  static spdlog::sinks::dist_sink_mt& outputs() {
    static auto made = [] {
      auto all = std::make_shared<spdlog::sinks::dist_sink_mt>(spdlog::default_logger()->sinks());
      spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", all));
      return all;
    }();
    return *made;
  }

  static void SetUpTestSuite() { outputs(); }

  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-api-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto started = local_node::start();
    ASSERT_TRUE(started);
    node_.emplace(std::move(*started));
  }

  void TearDown() override {
    node_.reset();
    std::filesystem::remove_all(folder_);
    spdlog::set_level(spdlog::level::info);
  }

  static shipper_options unreachable() {
    shipper_options made;
    made.to = {nowhere};
    made.drain_timeout = 0ms;
    return made;
  }

  shipper spawn(const shipper_options& options) {
    auto made = node_->spawn_shipper(options);
    EXPECT_TRUE(made);
    return std::move(*made);
  }

  std::filesystem::path folder_;
  std::optional<local_node> node_;
};

} // namespace

TEST_F(library, refuses_options_that_make_no_sense_and_says_which) {
  auto why = [this](auto change) {
    auto options = unreachable();
    change(options);
    auto made = node_->spawn_shipper(options);
    EXPECT_FALSE(made);
    return made ? std::string{} : std::string{to_string(made.error().code)} + ' ' + made.error().message;
  };
  EXPECT_THAT(why([](auto& x) { x.to.clear(); }), HasSubstr("invalid_argument to:"));
  EXPECT_THAT(why([](auto& x) { x.to = {"carrier-pigeon://home"}; }), HasSubstr("invalid_argument to:"));
  EXPECT_THAT(why([](auto& x) { x.compression = "zstd:77"; }), HasSubstr("invalid_argument compression:"));
  EXPECT_THAT(why([](auto& x) { x.batch.max_events = 0; }), HasSubstr("invalid_argument batch.max_events"));
  EXPECT_THAT(why([](auto& x) { x.buffer.thread_bytes = 1; }), HasSubstr("invalid_argument buffer.thread_bytes"));
  EXPECT_THAT(why([](auto& x) { x.retry.max_backoff = 1ms; }), HasSubstr("invalid_argument retry.max_backoff"));
  EXPECT_THAT(why([](auto& x) { x.labels = {{"", "x"}}; }), HasSubstr("invalid_argument labels:"));
  EXPECT_THAT(why([](auto& x) { x.tls.ca_file = "/none"; }), HasSubstr("/none"));
  EXPECT_THAT(why([](auto& x) { x.data_dir = "/proc/none"; }), HasSubstr("/proc/none"));
}

TEST_F(library, says_what_is_not_durable_when_the_time_is_over) {
  auto shipper = spawn(unreachable());
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(shipper.submit({.body = "x"}), errc::none);
  auto done = shipper.flush(20ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::timed_out);
  EXPECT_THAT(done.error().message, HasSubstr("3 records"));
  auto counters = shipper.counters();
  EXPECT_EQ(counters.accepted, 3);
  EXPECT_EQ(counters.pending, 3);
  auto no_spool = shipper.flush(1h, durable_at::spool);
  ASSERT_FALSE(no_spool);
  EXPECT_EQ(no_spool.error().code, errc::invalid_argument);
}

TEST_F(library, keeps_in_the_spool_what_no_receiver_takes) {
  auto options = unreachable();
  options.data_dir = folder_;
  {
    auto shipper = spawn(options);
    for (auto i = 0; i < 100; ++i)
      EXPECT_EQ(shipper.submit({.body = "x"}), errc::none);
    EXPECT_TRUE(shipper.flush(1h, durable_at::spool));
    EXPECT_EQ(shipper.counters().spooled, 100);
    EXPECT_EQ(shipper.counters().acknowledged, 0);
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ / "spool"));
}

TEST_F(library, drops_counts_and_blocks_when_it_is_full) {
  auto options = unreachable();
  options.buffer.max_bytes = 1024;
  options.buffer.thread_bytes = 4096;
  for (auto what : {when_full::drop_newest, when_full::block}) {
    options.buffer.when_full = what;
    options.buffer.block_for = 1ms;
    auto shipper = spawn(options);
    std::uint64_t accepted = 0, calls = 0;
    for (auto code = errc::none; code == errc::none; ++calls) {
      code = shipper.submit({.body = std::string(500, 'x')});
      accepted += code == errc::none;
    }
    auto counters = shipper.counters();
    EXPECT_EQ(counters.accepted, accepted);
    EXPECT_EQ(counters.dropped, 1);
    EXPECT_EQ(counters.accepted + counters.dropped, calls);
    EXPECT_EQ(shipper.submit({.body = std::string(5000, 'x')}), errc::too_large);
    EXPECT_EQ(shipper.counters().refused, 1);
  }
}

TEST_F(library, has_stored_what_was_flushed_while_other_threads_submit) {
  constexpr std::uint64_t threads = 4, records = 2000;
  auto port = std::to_string(free_port());
  auto config = folder_ / "node.yaml";
  std::ofstream{config} << "receive:\n  listen: [tcp://127.0.0.1:" << port
                        << "]\nstore:\n  path: " << (folder_ / "store").string() << '\n';
  auto receiving = local_node::start({.configuration_file = config});
  ASSERT_TRUE(receiving) << receiving.error().message;
  auto options = unreachable();
  options.to = {"tcp://127.0.0.1:" + port};
  options.buffer.thread_bytes = 4096;
  options.buffer.when_full = when_full::block;
  options.buffer.block_for = 1h;
  auto shipper = spawn(options);
  {
    std::vector<std::jthread> submitting;
    for (std::uint64_t thread = 0; thread < threads; ++thread)
      submitting.emplace_back([&] {
        for (std::uint64_t i = 0; i < records; ++i) {
          EXPECT_EQ(shipper.submit({.body = std::string(i % 300, 'x')}), errc::none);
          if (i % 500 == 499) {
            EXPECT_TRUE(shipper.flush(1h));
            EXPECT_GT(shipper.counters().acknowledged, i);
          }
        }
      });
  }
  EXPECT_TRUE(shipper.flush(1h));
  auto counters = shipper.counters();
  EXPECT_EQ(counters.accepted, threads * records);
  EXPECT_EQ(counters.acknowledged, threads * records);
  EXPECT_EQ(counters.pending, 0);
  EXPECT_FALSE(receiving->has_failed());
}

TEST_F(library, refuses_a_bad_configuration_with_its_line) {
  auto config = folder_ / "node.yaml";
  std::ofstream{config} << "stor:\n  path: /x\n";
  auto started = local_node::start({.configuration_file = config});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, errc::invalid_argument);
  EXPECT_THAT(started.error().message, HasSubstr("node.yaml:1:1"));
}

TEST_F(library, does_not_ship_what_it_logs_itself) {
  spdlog::set_level(spdlog::level::trace);
  auto to = std::make_shared<shipper>(spawn(unreachable()));
  auto logged = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(100);
  auto shipped = std::make_shared<spdlog_sink>(to);
  outputs().add_sink(logged);
  outputs().add_sink(shipped);
  {
    auto failing = spawn(unreachable()); // and says so
    EXPECT_EQ(failing.submit({.body = "x"}), errc::none);
    EXPECT_FALSE(failing.flush(50ms));
  } // whose destructor says what is not acknowledged, in this thread
  spdlog::info("by the program");
  outputs().remove_sink(logged);
  outputs().remove_sink(shipped);
  EXPECT_EQ(to->counters().accepted, 2);
  EXPECT_GT(logged->last_raw().size(), 2);
}

TEST_F(library, leaves_signals_and_file_limits_to_the_program) {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_FALSE(sigismember(&mask, SIGTERM));
  auto shipper = spawn(unreachable());
  static std::atomic<pid_t> handled_by = 0;
  std::signal(SIGUSR1, [](int) { handled_by = gettid(); });
  kill(getpid(), SIGUSR1); // is delivered before it returns, for only this thread takes it
  EXPECT_EQ(handled_by, gettid());
  std::signal(SIGUSR1, SIG_DFL);
}

TEST_F(library, fails_in_a_forked_child_which_can_start_another) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "it ends children of fork that start threads";
#endif
#endif
  auto shipper = std::make_optional(spawn(unreachable()));
  EXPECT_EQ(shipper->submit({.body = "x"}), errc::none);
  auto child = fork();
  if (child == 0) {
    auto good = shipper->submit({.body = "x"}) == errc::shutting_down && !shipper->flush(1h) &&
                shipper->counters().accepted == 0 && !node_->spawn_shipper(unreachable());
    shipper.reset();
    node_.reset();
    auto own = local_node::start();
    good = good && own && own->spawn_shipper(unreachable());
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(shipper->submit({.body = "x"}), errc::none);
}

TEST_F(library, counts_in_metrics) {
  auto shipper = spawn(unreachable());
  EXPECT_EQ(shipper.submit({.body = "x"}), errc::none);
  EXPECT_FALSE(shipper.flush(50ms));
  double received = 0;
  for (auto& x : node_->metrics())
    if (x.name == "component_received_events_total")
      for (auto& [key, value] : x.labels)
        received += key == "component_id" && value == "intake" ? x.value : 0;
  EXPECT_EQ(received, 1);
}

} // namespace sluice::test
