#include "actors/source/input_reader.hpp"

#include <caf/scheduled_actor.hpp>
#include <fmt/format.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/source/followed_reader.hpp"
#include "transport/file_system.hpp"

namespace sluice {

using result = input_reader::result;

task<result> input_reader::read(source_input& x) {
  if (x.pipe)
    co_return co_await read_pipe(x);
  auto failure = co_await open(x);
  if (!failure)
    co_return co_await (x.is_followed ? read_followed_file(x) : read_file(x));
  if (x.is_followed && failure->code == errc::not_found)
    co_return result{outcome::moved};
  co_return result{x.is_followed ? outcome::failed : outcome::over, {}, std::move(failure)};
}

task<std::optional<error>> input_reader::open(source_input& x) {
  if (x.opened)
    co_return std::nullopt;
  auto opened = co_await run_blocking(
    self_, io_, [&files = files_, where = x.location, which = x.which] { return open_same(files, where, which); });
  if (!opened)
    co_return std::move(opened.error());
  x.opened = std::move(*opened);
  co_return std::nullopt;
}

task<expected<bool>> input_reader::has_bytes(source_input& x, std::uint64_t bytes) {
  if (x.is_followed)
    co_return true;
  if (x.pipe) {
    auto checked = co_await run_blocking(self_, io_, [pipe = x.pipe, bytes] { return pipe->check(bytes); });
    if (!checked)
      co_return fail(std::move(checked.error()));
    co_return true;
  }
  if (auto failure = co_await open(x))
    co_return fail(std::move(*failure));
  auto info = co_await run_blocking(self_, io_, [opened = x.opened] { return opened->info(); });
  if (!info)
    co_return fail(std::move(info.error()));
  co_return info->size >= bytes;
}

task<result> input_reader::read_file(source_input& x) {
  reading how{how_.limits, last_line::take, how_.joiner, std::nullopt};
  auto taken = co_await run_blocking(self_, io_,
    [opened = x.opened, at = x.position, how, pool = pool_] { return read_records(*opened, at, how, pool->take()); });
  if (!taken)
    co_return result{outcome::over, {}, std::move(taken.error())};
  auto how_on = taken->at_end ? outcome::over : outcome::more;
  co_return result{how_on, std::move(*taken)};
}

task<result> input_reader::read_pipe(source_input& x) {
  auto taken = co_await run_blocking(
    self_, io_, [pipe = x.pipe, at = x.position, acked = x.acked, limits = how_.limits, pool = pool_] {
      return pipe->read(at, acked, limits, pool->take());
    });
  if (!taken)
    co_return result{outcome::over, {}, std::move(taken.error())};
  join_lines(x, *taken, taken->at_end);
  auto how_on = taken->at_end ? outcome::over : outcome::more;
  auto dropped = taken->dropped;
  co_return result{how_on, std::move(*taken), {}, dropped};
}

task<expected<pipe_chunk>> input_reader::read_rest(source_input& x) {
  auto taken = co_await run_blocking(self_, io_, [pipe = x.pipe, at = x.position, limits = how_.limits, pool = pool_] {
    return pipe->rest(at, limits, pool->take());
  });
  if (taken)
    join_lines(x, *taken, true);
  co_return taken;
}

/// What is left of a pipe stays with its reader. The last record is complete when nothing has come for a while.
void input_reader::join_lines(source_input& x, file_chunk& made, bool is_last) {
  if (!how_.joiner || made.records == 0)
    return;
  auto now = self_->clock().now();
  auto end = x.position + made.lines.text_bytes();
  if (std::exchange(x.end, end) != end)
    x.end_since = now;
  auto is_full = made.lines.text_bytes() >= how_.limits.max_bytes || made.records >= how_.limits.max_events;
  auto records = how_.joiner->join(made.lines.text());
  auto is_one = records.record_bytes.empty();
  take_records(
    made, std::move(records), is_last || (is_full && is_one) || now - *x.end_since >= how_.multiline_timeout);
}

task<expected<pipe_reader::dropped>> input_reader::drop(
  source_input& x, std::optional<severity> least, std::size_t max_kept_bytes, timestamp now) {
  co_return co_await run_blocking(self_, io_, [pipe = x.pipe, least, max_kept_bytes, limits = how_.limits, now] {
    return pipe->drop(least, max_kept_bytes, limits, now);
  });
}

task<result> input_reader::read_followed_file(source_input& x) {
  reading how{how_.limits, x.is_late ? last_line::take : last_line::leave, how_.joiner,
    x.is_quiet ? std::optional{x.end} : std::nullopt};
  auto least = x.away_since ? least_size::any : least_size::what_was_read;
  auto taken =
    co_await run_blocking(self_, io_, [opened = x.opened, at = x.position, head = x.head, how, pool = pool_, least] {
      return read_followed(*opened, at, head, how, pool->take(), least);
    });
  if (!taken)
    co_return result{outcome::failed, {}, std::move(taken.error())};
  if (taken->is_truncated)
    co_return result{outcome::truncated};
  x.head = taken->head;
  x.size = taken->size;
  x.is_missing = false;
  x.unfinished_bytes = taken->chunk.unfinished_bytes;
  auto is_over = how.last == last_line::take;
  auto how_on = !taken->chunk.at_end ? outcome::more : is_over ? outcome::over : outcome::at_end;
  co_return result{how_on, std::move(taken->chunk)};
}

} // namespace sluice
