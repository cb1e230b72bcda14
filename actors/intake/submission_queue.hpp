#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "actors/intake/delivery_watch.hpp"
#include "actors/intake/submission_ring.hpp"
#include "messages/errc.hpp"

namespace sluice {

struct submission_limits {
  std::size_t ring_bytes = 1024 * 1024; ///< Of each thread that submits.
  /// How long a thread waits for room before its record is dropped.
  std::chrono::milliseconds block_for{0};
};

/// What became of the records of all threads.
struct submission_counts {
  std::uint64_t submitted = 0; ///< That were accepted.
  std::uint64_t submitted_bytes = 0;
  std::uint64_t full = 0;     ///< Dropped, for there was no room.
  std::uint64_t refused = 0;  ///< Too large, or with bad attributes.
  std::uint64_t spooled = 0;  ///< On this machine's disk, or at a receiver.
  std::uint64_t received = 0; ///< Durable at a receiver.
};

/// What one thread has submitted, counted by itself.
struct thread_ring : submission_ring {
  using submission_ring::submission_ring;

  std::atomic<std::uint64_t> records = 0, bytes = 0, full = 0, refused = 0;
  std::uint64_t pass_end = 0; ///< For who takes.
};

/// Where threads of a program leave records, and where an intake takes them. It outlives the actor that does, so that
/// nothing is lost between two of them. Each thread has a ring of its own, so that `submit` takes no lock and sends no
/// message, but for the one that wakes the intake after it has found nothing. Thread-safe.
class submission_queue {
public:
  using clock = std::chrono::steady_clock;

  explicit submission_queue(submission_limits limits);

  // -- for the program --------------------------------------------------------

  /// Errors: overloaded if there is no room in time, too_large, invalid_argument for an attribute without a key or too
  /// many of them, shutting_down. Needs `x.time`.
  errc submit(const record& x);

  enum class stage { spooled, received };

  /// Waits until everything that was submitted before has come as far as `until`. Returns whether it has, before
  /// `deadline` or before it was closed by `fail`.
  bool flush(stage until, clock::time_point deadline);

  /// Nothing is accepted any more. No thread may be submitting then.
  void close();

  /// Nothing that is here will go on.
  void fail(error reason);
  std::optional<error> failure() const;

  submission_counts counts() const;

  // -- for the intake ---------------------------------------------------------

  /// Calls `wake` when something comes after nothing was there, and at once.
  void attach(std::function<void()> wake);

  /// A pass takes what was in the rings when it began, in as many steps as it needs: what comes meanwhile is left to
  /// the next one, so that each ends however much comes.
  struct pass {
    std::uint64_t last_flush = 0; ///< Newest that was asked for when it began.
    bool asks = false;            ///< Whether it has to be answered.
  };
  /// The pass at hand, or a new one if that has come to its end.
  pass begin_pass();

  /// Calls `take` with one record after the other, in the order of each thread, until it returns false. Returns whether
  /// the pass has come to its end.
  template <class Take>
  bool take(record_view& view, Take take) {
    auto taken_all = [&](thread_ring& ring) { return ring.take(ring.pass_end, view, take); };
    while (next_ring_ < taken_rings_.size() && taken_all(*taken_rings_[next_ring_]))
      ++next_ring_;
    give_room();
    return is_pass_over();
  }

  /// All that was there when the pass began lies before `position` of the stream.
  void end_pass(const pass& which, std::uint64_t position);

  /// Whether there is nothing to take. A pass may end with more: what has come since it began.
  bool is_empty() const;

  /// Whether threads are about to run out of room.
  bool is_filling() const;

  /// Asks to be woken. Returns false if something has come meanwhile.
  bool rest();

  /// How many records were dropped for want of room since the last time.
  std::uint64_t take_dropped();

  /// As `delivery_watch` has it.
  void mark(std::uint64_t position, std::uint64_t records);
  void reach(stage which, std::uint64_t position);

private:
  struct flush_request {
    std::uint64_t number;
    std::optional<std::uint64_t> position; ///< Behind everything that it is about.
  };

  thread_ring* ring_of_this_thread();
  std::shared_ptr<thread_ring> make_ring();
  bool wait_and_push(thread_ring& ring, const record& x, std::size_t bytes);
  void wake_if_idle();
  void update_rings();
  bool is_pass_over() const noexcept { return next_ring_ == taken_rings_.size(); }
  void give_room();
  submission_counts sum_of_rings() const;
  delivery_watch& watch(stage which) { return which == stage::spooled ? spooled_ : received_; }

  const std::uint64_t id_; ///< Unlike that of any other queue of the process, ever.
  const submission_limits limits_;
  std::atomic<bool> is_closed_ = false;
  alignas(64) std::atomic<bool> is_idle_ = false; ///< The intake waits to be woken.
  std::atomic<std::uint32_t> waiting_threads_ = 0;
  std::atomic<std::uint64_t> last_flush_ = 0, open_flushes_ = 0;
  std::atomic<bool> rings_have_changed_ = false;

  mutable std::mutex mutex_; ///< Of what follows.
  std::condition_variable room_, progress_;
  std::function<void()> wake_;
  std::vector<std::shared_ptr<thread_ring>> rings_;
  submission_counts retired_; ///< Of rings that are gone.
  std::list<flush_request> flushes_;
  delivery_watch spooled_, received_;
  std::optional<error> failure_;

  // Only for the intake.
  std::vector<std::shared_ptr<thread_ring>> taken_rings_;
  std::size_t next_ring_ = 0; ///< Of the pass.
  pass pass_;
  std::uint64_t told_dropped_ = 0;
};

} // namespace sluice
