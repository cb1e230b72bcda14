#include "actors/source/input_table.hpp"

#include <algorithm>
#include <utility>

namespace sluice {

using stage = source_input::stage;

namespace {

/// Credit that a gap takes: it ends a batch and begins another.
constexpr std::uint64_t gap_cost_bytes = 4096;

/// Whether what is read next of it is to be dropped, there being no credit.
bool is_left_out(source_input& x) {
  if (!x.lag)
    return false;
  constexpr auto window_is_full = true;
  x.lag->look(x.position, x.size, window_is_full);
  return x.lag->drops_at(x.position);
}

} // namespace

source_input* input_table::add(const stream_id& id, const found_file& found, time_point now) {
  auto [at, is_new] = inputs_.try_emplace(id);
  auto& x = at->second;
  auto is_same_file = !is_new && !(x.is_followed && found.is_followed);
  if (is_same_file)
    return nullptr;
  x.stream = id;
  x.path = found.path;
  x.location = found.location;
  x.which = found.which;
  x.head = found.head;
  x.size = found.size;
  x.is_followed = found.is_followed;
  x.is_missing = found.is_missing;
  open_.close(x);
  if (found.opened)
    use(x, found.opened);
  if (found.is_followed && found.is_away)
    send_away(x, now);
  if (is_new && x.is_followed) {
    auto& family = lineages_[x.path];
    for (auto* before : family.members())
      queue(*before);
    family.add(x);
    advance(x);
  } else if (is_new) {
    x.now = stage::due;
    to_announce_.push_back(&x);
  } else {
    queue(x);
  }
  return &x;
}

source_input* input_table::find(const stream_id& id) {
  auto found = inputs_.find(id);
  return found == inputs_.end() ? nullptr : &found->second;
}

void input_table::change(source_input& x, const file_change& change, time_point now) {
  if (!change.location.empty())
    x.location = change.location;
  if (change.is_away)
    send_away(x, now);
  if (change.is_away || change.size != x.position + x.unfinished_bytes)
    queue(x);
  if (change.size >= x.position)
    x.size = std::max(x.size, change.size);
}

void input_table::welcome(source_input& x, const stream_point& last) {
  if (x.now == stage::announced)
    --unwelcomed_;
  x.now = stage::reading;
  x.is_at_end = false;
  if (x.is_queued && !x.resume)
    std::erase(to_read_, &x);
  if (!x.is_queued || !x.resume)
    to_resume_.push_back(&x);
  x.is_queued = true;
  x.resume = last;
}

void input_table::acknowledge(source_input& x, std::uint64_t position) {
  move(x, x.position, position);
  advance(x);
}

source_input* input_table::take_announceable() {
  if (to_announce_.empty() || unwelcomed_ >= how_.max_announced)
    return nullptr;
  auto* next = to_announce_.front();
  to_announce_.pop_front();
  next->now = stage::announced;
  ++unwelcomed_;
  return next;
}

source_input* input_table::take_readable() {
  auto& from = to_resume_.empty() ? to_read_ : to_resume_;
  auto found = from.begin();
  if (to_resume_.empty() && window_is_full())
    found = std::ranges::find_if(from, [](auto* x) { return is_left_out(*x); });
  if (found == from.end())
    return nullptr;
  auto* next = *found;
  from.erase(found);
  next->is_queued = false;
  return next;
}

source_input* input_table::find_droppable() const {
  auto found = std::ranges::find_if(to_read_, [](auto* x) { return x->pipe && !x->is_full; });
  return window_is_full() && found != to_read_.end() ? *found : nullptr;
}

void input_table::queue(source_input& x, turn when) {
  if (x.is_queued || x.now != stage::reading)
    return;
  x.is_queued = true;
  x.is_at_end = false;
  if (when == turn::next)
    to_read_.push_front(&x);
  else
    to_read_.push_back(&x);
}

std::uint64_t input_table::held(const source_input& x) noexcept {
  auto ahead = x.position > x.acked ? x.position - x.acked : 0;
  return ahead - x.skipped.bytes() + x.skipped.count() * gap_cost_bytes;
}

void input_table::move(source_input& x, std::uint64_t position, std::uint64_t acked) {
  in_flight_ -= held(x);
  x.position = position;
  x.acked = acked;
  x.skipped.limit(acked, position);
  in_flight_ += held(x);
  how_.abandoned->acknowledge(x.stream, acked);
}

void input_table::skip(source_input& x, std::uint64_t bytes) {
  in_flight_ -= held(x);
  x.skipped.add(x.position, x.position + bytes);
  x.position += bytes;
  in_flight_ += held(x);
}

void input_table::reach_end(source_input& x, time_point now) {
  x.is_at_end = true;
  auto end = x.position + x.unfinished_bytes;
  if (how_.multiline_timeout.count() > 0 && x.unfinished_bytes > 0 && x.end != end) {
    if (!x.end_since)
      unfinished_.push_back(&x);
    x.end = end;
    x.end_since = now;
    x.is_quiet = false;
  }
  advance(x);
}

void input_table::end(source_input& x) {
  if (x.now == stage::announced)
    --unwelcomed_;
  x.now = stage::ended;
  advance(x);
}

void input_table::use(source_input& x, std::shared_ptr<file> opened) {
  x.opened = std::move(opened);
  open_.use(x);
}

void input_table::send_away(source_input& x, time_point since) {
  if (x.away_since)
    return;
  x.away_since = since;
  away_.push_back(&x);
}

void input_table::look_at_away() {
  for (auto* x : away_)
    queue(*x);
}

void input_table::look_at_late(time_point now) {
  for (auto* x : away_)
    if (!x->is_late && *x->away_since + how_.rotate_wait <= now) {
      x->is_late = true;
      queue(*x);
    }
  std::erase_if(unfinished_, [&](source_input* x) {
    x->is_quiet = *x->end_since + how_.multiline_timeout <= now;
    if (!x->is_quiet)
      return false;
    x->end_since.reset();
    queue(*x);
    return true;
  });
}

std::optional<input_table::time_point> input_table::next_late() const {
  std::optional<time_point> first;
  for (auto* x : away_)
    if (!x->is_late)
      first = std::min(first.value_or(time_point::max()), *x->away_since + how_.rotate_wait);
  for (auto* x : unfinished_)
    first = std::min(first.value_or(time_point::max()), *x->end_since + how_.multiline_timeout);
  return first;
}

source_input* input_table::take_over() {
  while (!over_.empty()) {
    auto* next = over_.front();
    over_.pop_front();
    next->is_listed_as_over = false;
    if (next->is_over())
      return next;
  }
  return nullptr;
}

void input_table::forget(source_input& x) {
  open_.close(x);
  std::erase(away_, &x);
  std::erase(unfinished_, &x);
  auto family = lineages_.find(x.path);
  family->second.remove(x);
  if (family->second.empty())
    lineages_.erase(family);
  else
    announce_next(family->second);
  inputs_.erase(x.stream);
}

std::vector<source_input*> input_table::stop() {
  is_stopped_ = true;
  std::erase_if(to_announce_, [](auto* x) { return !x->was_read_before; });
  for (auto* x : std::exchange(to_read_, {}))
    x->is_queued = false;
  std::vector<source_input*> open;
  for (auto& [id, x] : inputs_)
    if ((x.now == stage::reading && !x.resume) || (x.now == stage::announced && !x.was_read_before))
      open.push_back(&x);
  return open;
}

void input_table::abandon() const {
  for (auto& [id, x] : inputs_)
    if (!x.pipe)
      how_.abandoned->add(id, x.acked, x.position);
}

/// Something has changed with `x` that what comes after it may have waited for.
void input_table::advance(source_input& x) {
  if (!x.is_followed)
    return;
  if (x.is_over() && !std::exchange(x.is_listed_as_over, true))
    over_.push_back(&x);
  announce_next(lineages_.at(x.path));
}

void input_table::announce_next(lineage& family) {
  auto* next = is_stopped_ ? nullptr : family.next();
  if (next) {
    next->now = stage::due;
    to_announce_.push_back(next);
  }
}

} // namespace sluice
