#include "deploy/process.hpp"

#include <atomic>
#include <csignal>
#include <ctime>
#include <random>
#include <thread>

#include <caf/telemetry/metric_registry.hpp>
#include <caf/thread_hook.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/type_ids.hpp"
#include "transport/own_thread.hpp"

namespace sluice {

namespace {

constexpr int wake_signal = SIGUSR1;

/// In a program that has no `signal_wait`, the signal would end it.
std::atomic<bool> is_awaited = false;

sigset_t waited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : {SIGINT, SIGTERM, SIGHUP, wake_signal})
    sigaddset(&set, number);
  return set;
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

/// As many connections and files as the system lets us have; a shell gives its programs 1024 (setrlimit(2)).
void raise_file_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The counter of each event, made when the first of its kind happens (docs/specs/metrics.md).
caf::telemetry::int_counter* datagram_counter(caf::telemetry::metric_registry& metrics, datagram_event what) {
  auto counter = [&metrics](caf::string_view name, caf::string_view help) {
    return metrics.counter_instance("sluice", name, {}, help, "1", true);
  };
  auto directed = [&metrics](caf::string_view direction) {
    return metrics.counter_instance(
      "sluice", "udp-datagrams", {{"direction", direction}}, "Datagrams of links.", "1", true);
  };
  switch (what) {
  case datagram_event::sent:
    return directed("out");
  case datagram_event::received:
    return directed("in");
  case datagram_event::repeated:
    return counter("udp-retransmitted", "Datagrams of links that were sent again.");
  case datagram_event::gap:
    return counter("udp-gaps", "Numbers that were missing when a later one came.");
  case datagram_event::duplicate:
    return counter("udp-duplicates", "Datagrams of links that had come already.");
  case datagram_event::invalid:
    return counter("udp-invalid", "Datagrams that are none of a link.");
  case datagram_event::kernel_dropped:
    break;
  }
  return counter("udp-kernel-dropped", "Datagrams of links that found no room in the socket's buffer.");
}

/// Blocking file operations at a time: a reader and a writer do not wait for each other.
constexpr std::size_t io_threads = 2;

/// Tells CAF's threads from those of a program that we are a part of.
struct own_thread_mark : caf::thread_hook {
  void init(caf::actor_system&) override {}
  void thread_started() override { is_own_thread = true; }
  void thread_terminates() override {}
};

} // namespace

actor_config::actor_config() {
  add_thread_hook<own_thread_mark>();
  init_meta_objects();
  set("caf.scheduler.policy", "sharing");
  set("caf.scheduler.max-threads", std::max(1u, std::thread::hardware_concurrency()));
  set("caf.metrics-filters.actors.includes", std::vector<std::string>{"*"});
  set("caf.logger.console.verbosity", "quiet");
}

real_environment::real_environment()
  : io_(make_thread_executor(io_threads)), env_{network_, files_, *io_,
                                             [] {
                                               return std::chrono::time_point_cast<std::chrono::nanoseconds>(
                                                 std::chrono::system_clock::now());
                                             },
                                             random_seed()} {}

actor_process::actor_process(bool raises_file_limit) : system_{config_} {
  if (raises_file_limit)
    raise_file_limit();
  world_.tls().report_to([this](const std::string& file, std::chrono::seconds left) {
    system_.metrics()
      .gauge_instance("sluice", "tls-certificate-expiry", {{"file", file}},
        "How long the certificates in a file are still valid.", "seconds")
      ->value(left.count());
  });
  world_.datagrams().report_to([this](datagram_event what, std::uint64_t times) {
    datagram_counter(system_.metrics(), what)->inc(static_cast<std::int64_t>(times));
  });
}

actor_process::~actor_process() {
  world_.tls().report_to({});
  world_.datagrams().report_to({});
  system_.await_all_actors_done();
  // What an executor still does would tell its result to an actor, which no longer has a system to count it.
  world_.finish_io();
}

signal_wait::signal_wait() {
  is_awaited = true;
  auto set = waited_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

signal_wait::event signal_wait::wait(std::optional<std::chrono::steady_clock::time_point> deadline) {
  auto set = waited_signals();
  for (;;) {
    timespec left{3600, 0};
    if (deadline) {
      auto ns = std::chrono::nanoseconds{*deadline - std::chrono::steady_clock::now()}.count();
      if (ns <= 0)
        return event::timeout;
      left = {ns / 1'000'000'000, ns % 1'000'000'000};
    }
    switch (sigtimedwait(&set, nullptr, &left)) {
    case SIGINT:
    case SIGTERM:
      if (is_echo())
        break;
      return event::terminate;
    case SIGHUP:
      return event::reload;
    case wake_signal:
      return event::woken;
    default:
      break; // a timeout, which the next round notices, or an interruption
    }
  }
}

bool signal_wait::is_echo() {
  auto now = std::chrono::steady_clock::now();
  if (first_termination_)
    return now - *first_termination_ < echo_time;
  first_termination_ = now;
  return false;
}

void signal_wait::wake() {
  if (is_awaited)
    kill(getpid(), wake_signal);
}

} // namespace sluice
