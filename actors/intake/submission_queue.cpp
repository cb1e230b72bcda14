#include "actors/intake/submission_queue.hpp"

#include <algorithm>

namespace sluice {

namespace {

/// Needs no lock: only one thread adds.
void add(std::atomic<std::uint64_t>& to, std::uint64_t count) noexcept {
  to.store(to.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

/// The rings of the present thread, by the numbers of their queues, which own them.
class ring_table {
public:
  ~ring_table();

  thread_ring* find(std::uint64_t queue) const {
    auto is_of = [queue](const entry& x) { return x.queue == queue; };
    auto found = std::ranges::find_if(entries_, is_of);
    return found == entries_.end() ? nullptr : found->ring.lock().get();
  }

  void add(std::uint64_t queue, const std::shared_ptr<thread_ring>& ring) {
    std::erase_if(entries_, [](const entry& x) { return x.ring.expired(); });
    entries_.push_back({queue, ring});
  }

private:
  struct entry {
    std::uint64_t queue;
    std::weak_ptr<thread_ring> ring;
  };

  std::vector<entry> entries_;
};

/// The one that was used last, where it is found at once.
struct recent_ring {
  std::uint64_t queue = 0;
  thread_ring* ring = nullptr;
  bool thread_ends = false;
};

constinit thread_local recent_ring recent;
thread_local ring_table rings_of_thread;

ring_table::~ring_table() {
  for (auto& x : entries_)
    if (auto ring = x.ring.lock())
      ring->abandon();
  recent = {.thread_ends = true};
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

/// As the record codec demands it.
errc check(const record& x, std::size_t bytes, std::size_t max_bytes) noexcept {
  if (bytes > max_bytes)
    return errc::too_large;
  if (x.attributes.size() > payload_limits::max_attributes)
    return errc::invalid_argument;
  for (auto& [key, value] : x.attributes) {
    if (key.empty())
      return errc::invalid_argument;
    if (key.size() > payload_limits::max_attribute_key_bytes ||
        value.size() > payload_limits::max_attribute_value_bytes)
      return errc::too_large;
  }
  return errc::none;
}

void add(submission_counts& to, const thread_ring& x) noexcept {
  to.submitted += x.records.load(std::memory_order_relaxed);
  to.submitted_bytes += x.bytes.load(std::memory_order_relaxed);
  to.full += x.full.load(std::memory_order_relaxed);
  to.refused += x.refused.load(std::memory_order_relaxed);
}

} // namespace

submission_queue::submission_queue(submission_limits limits) : id_(next_id()), limits_(limits) {}

// -- for the program ----------------------------------------------------------

errc submission_queue::submit(const record& x) {
  auto* ring = ring_of_this_thread();
  if (!ring || is_closed_.load(std::memory_order_relaxed))
    return errc::shutting_down;
  auto bytes = submission_ring::bytes_of(x);
  if (auto wrong = check(x, bytes, ring->max_record_bytes()); wrong != errc::none) {
    add(ring->refused, 1);
    return wrong;
  }
  // Before it can be acknowledged.
  add(ring->records, 1);
  add(ring->bytes, x.body.size());
  if (!ring->push(x, bytes) && !wait_and_push(*ring, x, bytes)) {
    add(ring->records, -1);
    add(ring->bytes, -x.body.size());
    add(ring->full, 1);
    return errc::overloaded;
  }
  wake_if_idle();
  return errc::none;
}

bool submission_queue::wait_and_push(thread_ring& ring, const record& x, std::size_t bytes) {
  auto is_in = false;
  if (limits_.block_for > limits_.block_for.zero()) {
    auto deadline = clock::now() + limits_.block_for;
    std::unique_lock guard{mutex_};
    ++waiting_threads_;
    room_.wait_until(guard, deadline, [&] { return is_closed_ || (is_in = ring.push(x, bytes)); });
    --waiting_threads_;
  }
  return is_in;
}

thread_ring* submission_queue::ring_of_this_thread() {
  if (recent.queue == id_)
    return recent.ring;
  if (recent.thread_ends)
    return nullptr;
  auto* ring = rings_of_thread.find(id_);
  if (!ring) {
    auto made = make_ring();
    rings_of_thread.add(id_, made);
    ring = made.get();
  }
  recent = {id_, ring};
  return ring;
}

std::shared_ptr<thread_ring> submission_queue::make_ring() {
  auto made = std::make_shared<thread_ring>(limits_.ring_bytes);
  std::lock_guard guard{mutex_};
  rings_.push_back(made);
  rings_have_changed_ = true;
  return made;
}

void submission_queue::wake_if_idle() {
  if (!is_idle_ || !is_idle_.exchange(false))
    return;
  std::lock_guard guard{mutex_};
  if (wake_)
    wake_();
}

bool submission_queue::flush(stage until, clock::time_point deadline) {
  std::unique_lock guard{mutex_};
  auto request = flushes_.insert(flushes_.end(), {++last_flush_, std::nullopt});
  ++open_flushes_;
  if (is_idle_.exchange(false) && wake_)
    wake_();
  auto is_done = [&] { return request->position && watch(until).position() >= *request->position; };
  progress_.wait_until(guard, deadline, [&] { return is_done() || failure_; });
  auto done = is_done();
  if (!request->position)
    --open_flushes_;
  flushes_.erase(request);
  return done;
}

void submission_queue::close() {
  std::lock_guard guard{mutex_};
  is_closed_ = true;
  room_.notify_all();
}

void submission_queue::fail(error reason) {
  std::lock_guard guard{mutex_};
  is_closed_ = true;
  failure_ = std::move(reason);
  room_.notify_all();
  progress_.notify_all();
}

std::optional<error> submission_queue::failure() const {
  std::lock_guard guard{mutex_};
  return failure_;
}

submission_counts submission_queue::counts() const {
  std::lock_guard guard{mutex_};
  auto sum = sum_of_rings();
  sum.spooled = std::max(spooled_.records(), received_.records());
  sum.received = received_.records();
  return sum;
}

submission_counts submission_queue::sum_of_rings() const {
  auto sum = retired_;
  for (auto& x : rings_)
    add(sum, *x);
  return sum;
}

// -- for the intake -----------------------------------------------------------

void submission_queue::attach(std::function<void()> wake) {
  std::lock_guard guard{mutex_};
  wake_ = std::move(wake);
  is_idle_ = false;
  wake_();
}

submission_queue::pass submission_queue::begin_pass() {
  if (!is_pass_over())
    return pass_;
  pass_ = {last_flush_, open_flushes_ > 0};
  update_rings();
  for (auto& ring : taken_rings_)
    ring->pass_end = ring->end();
  next_ring_ = 0;
  return pass_;
}

void submission_queue::update_rings() {
  auto is_done = [](auto& ring) { return ring->is_abandoned() && ring->empty(); };
  if (rings_have_changed_.exchange(false) || std::ranges::any_of(taken_rings_, is_done)) {
    std::lock_guard guard{mutex_};
    std::erase_if(rings_, [&](auto& ring) {
      if (!is_done(ring))
        return false;
      add(retired_, *ring);
      return true;
    });
    taken_rings_ = rings_;
  }
}

bool submission_queue::is_empty() const {
  return !rings_have_changed_ && std::ranges::all_of(taken_rings_, [](auto& ring) { return ring->empty(); });
}

bool submission_queue::is_filling() const {
  auto is_filled = [](auto& ring) { return ring->used_bytes() > ring->capacity() / 4; };
  return waiting_threads_ > 0 || std::ranges::any_of(taken_rings_, is_filled);
}

void submission_queue::give_room() {
  if (waiting_threads_ == 0)
    return;
  std::lock_guard guard{mutex_};
  room_.notify_all();
}

void submission_queue::end_pass(const pass& which, std::uint64_t position) {
  std::lock_guard guard{mutex_};
  for (auto& x : flushes_) {
    if (x.number > which.last_flush || x.position)
      continue;
    x.position = position;
    --open_flushes_;
  }
  progress_.notify_all();
}

bool submission_queue::rest() {
  is_idle_ = true;
  auto has_more = open_flushes_ > 0 || !is_empty();
  return !has_more || !is_idle_.exchange(false); // who has woken it in between has sent the message
}

std::uint64_t submission_queue::take_dropped() {
  std::lock_guard guard{mutex_};
  auto dropped = sum_of_rings().full;
  return dropped - std::exchange(told_dropped_, dropped);
}

void submission_queue::mark(std::uint64_t position, std::uint64_t records) {
  std::lock_guard guard{mutex_};
  spooled_.mark(position, records);
  received_.mark(position, records);
}

void submission_queue::reach(stage which, std::uint64_t position) {
  std::lock_guard guard{mutex_};
  watch(which).reach(position);
  progress_.notify_all();
}

} // namespace sluice
