#include "actors/source/followed_reader.hpp"

#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// How a file stands.
struct standing {
  std::uint64_t size = 0;
  file_head head;
};

/// Nothing if it is not the file that it was, or shorter than it was.
expected<std::optional<standing>> look_at(file& from, const file_head& known, std::uint64_t least_bytes) {
  auto beginning = read_beginning(from);
  if (!beginning)
    return fail(std::move(beginning.error()));
  auto info = from.info();
  if (!info)
    return fail(std::move(info.error()));
  if (info->size < least_bytes || !known.is_head_of(*beginning))
    return std::nullopt;
  return standing{info->size, file_head::of(*beginning)};
}

} // namespace

expected<followed_chunk> read_followed(
  file& from, std::uint64_t position, const file_head& known, const reading& how, buffer memory, least_size least) {
  followed_chunk made;
  auto before = look_at(from, known, least == least_size::any ? 0 : position);
  if (!before)
    return fail(std::move(before.error()));
  made.is_truncated = !*before;
  if (made.is_truncated)
    return made;
  auto chunk = read_records(from, position, how, std::move(memory));
  if (!chunk)
    return fail(std::move(chunk.error()));
  auto taken = chunk->lines.text_bytes() + chunk->unfinished_bytes;
  auto end = taken == 0 && least == least_size::any ? 0 : position + taken;
  auto after = look_at(from, (*before)->head, end);
  if (!after)
    return fail(std::move(after.error()));
  made.is_truncated = !*after;
  if (made.is_truncated)
    return made;
  made.chunk = std::move(*chunk);
  made.head = (*after)->head;
  made.size = (*before)->size;
  return made;
}

} // namespace sluice
