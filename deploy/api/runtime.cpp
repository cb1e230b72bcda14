#include "deploy/api/runtime.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>

#include <openssl/ssl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

namespace sluice {

namespace {

/// Since the program has begun, seen from this process.
std::atomic<unsigned> forks = 0;

/// Guards the start, for CAF keeps its types in globals, and the list of all runtimes.
std::mutex global;

std::vector<std::weak_ptr<runtime>>& all_runtimes() {
  static std::vector<std::weak_ptr<runtime>> all;
  return all;
}

/// Threads that are made meanwhile take no signals but those that a thread gets for what it does itself.
class without_signals {
public:
  without_signals() {
    sigset_t all;
    sigfillset(&all);
    for (auto own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
      sigdelset(&all, own);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  without_signals(const without_signals&) = delete;
  without_signals& operator=(const without_signals&) = delete;
  ~without_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
  sigset_t before_;
};

} // namespace

error to_error(const startup_error& reason) {
  auto is_wrong = reason.code == exit_code::configuration || reason.code == exit_code::usage;
  return {is_wrong ? errc::invalid_argument : errc::io_error, reason.message};
}

std::shared_ptr<runtime> runtime::start() {
  std::lock_guard guard{global};
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] { ++forks; });
    // What is made before the exit handler outlives it.
    spdlog::default_logger_raw();
    OPENSSL_init_ssl(0, nullptr);
    all_runtimes();
    std::atexit(shut_down_all);
  });
  without_signals meanwhile;
  std::shared_ptr<runtime> made{new runtime};
  std::erase_if(all_runtimes(), [](auto& x) { return x.expired(); });
  all_runtimes().push_back(made);
  return made;
}

runtime::runtime() : forks_(forks), thread_(make_thread_executor(1)) {
  run([this] { process_.emplace(false); });
}

runtime::~runtime() {
  run([this] { process_.reset(); });
}

bool runtime::is_forked() const noexcept {
  return forks_ != forks.load(std::memory_order_relaxed);
}

void runtime::add(runtime_user& user) {
  std::lock_guard guard{mutex_};
  users_.push_back(&user);
}

void runtime::remove(runtime_user& user) {
  std::lock_guard guard{mutex_};
  std::erase(users_, &user);
}

void runtime::shut_down() {
  std::lock_guard guard{mutex_};
  for (; !users_.empty(); users_.pop_back())
    users_.back()->end();
  run([this] { process_.reset(); });
}

void runtime::shut_down_all() {
  for (auto& x : all_runtimes())
    if (auto alive = x.lock(); alive && !alive->is_forked())
      alive->shut_down();
}

} // namespace sluice
