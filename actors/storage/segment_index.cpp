#include "actors/storage/segment_index.hpp"

#include <fmt/format.h>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"
#include "messages/detail/label_codec.hpp"

namespace sluice {

namespace {

using namespace segment_limits;

constexpr std::uint32_t trailer_magic = 0x58534C53; // "SLSX"
constexpr std::size_t stream_bytes = 32;
constexpr std::size_t min_label_set_bytes = 2;
constexpr std::size_t unhashed_bytes = 16; // hash, reserved, magic

struct trailer {
  std::uint64_t footer_offset = 0;
  std::uint32_t frames = 0;
  std::uint32_t streams = 0;
  std::uint32_t label_sets = 0;
  std::uint32_t label_bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t decoded_bytes = 0;
  std::uint64_t hash = 0;
};

expected<trailer> decode_trailer(byte_view bytes) {
  if (bytes.size() != trailer_bytes)
    return fail(errc::truncated, "segment trailer breaks off");
  detail::byte_reader in{bytes};
  trailer result{in.u64(), in.u32(), in.u32(), in.u32(), in.u32(), in.u64(), in.u64(), in.u64()};
  auto reserved = in.u32();
  if (in.u32() != trailer_magic)
    return fail(errc::bad_magic, "segment has no footer");
  if (reserved != 0)
    return fail(errc::malformed, "segment trailer has a reserved field that is not 0");
  return result;
}

std::uint64_t footer_bytes(const trailer& t) {
  return std::uint64_t{t.frames} * index_entry_bytes + std::uint64_t{t.streams} * stream_bytes + t.label_bytes +
         trailer_bytes;
}

void write_entry(detail::byte_writer& out, const frame_entry& entry) {
  out.u64(entry.offset);
  out.u32(entry.header_bytes);
  out.u32(entry.payload_bytes);
  out.u32(entry.record_count);
  out.u32(entry.labels);
  out.u32(entry.stream);
  out.u32(static_cast<std::uint32_t>(entry.kind)); // and 3 reserved bytes
  out.u64(entry.last.epoch);
  out.u64(entry.last.sequence);
  out.u64(entry.position_begin);
  out.u64(entry.last.position);
  out.time(entry.first_timestamp);
  out.time(entry.last_timestamp);
}

frame_entry read_entry(detail::byte_reader& in) {
  frame_entry entry;
  entry.offset = in.u64();
  entry.header_bytes = in.u32();
  entry.payload_bytes = in.u32();
  entry.record_count = in.u32();
  entry.labels = in.u32();
  entry.stream = in.u32();
  entry.kind = frame_kind{in.u8()};
  in.bytes(3);
  entry.last.epoch = in.u64();
  entry.last.sequence = in.u64();
  entry.position_begin = in.u64();
  entry.last.position = in.u64();
  entry.first_timestamp = in.time();
  entry.last_timestamp = in.time();
  return entry;
}

expected<void> check_entry(const frame_entry& entry, const segment_index& index, std::uint64_t footer_offset) {
  using namespace frame_limits;
  auto lengths_fit = entry.header_bytes >= fixed_header_bytes && entry.header_bytes <= max_header_bytes &&
                     entry.payload_bytes > 0 && entry.payload_bytes <= max_payload_bytes &&
                     entry.offset <= footer_offset && entry.frame_bytes() <= footer_offset - entry.offset;
  if (lengths_fit && entry.kind <= frame_kind::gap && entry.stream < index.streams.size() &&
      entry.labels < index.label_sets.size())
    return {};
  return fail(errc::malformed, fmt::format("footer has an entry that cannot be right (offset {})", entry.offset));
}

expected<label_set> read_label_set(detail::byte_reader& in) {
  auto count = in.u16();
  if (count > label_set::max_labels)
    return fail(errc::malformed, fmt::format("footer has a label set of {} labels", count));
  return detail::read_labels(in, count);
}

} // namespace

void segment_index_builder::add(const frame_header& header, std::uint64_t offset) {
  auto [found, is_new] = streams_.try_emplace(header.stream);
  auto& numbers = found->second;
  if (is_new) {
    numbers.stream = static_cast<std::uint32_t>(index_.streams.size());
    index_.streams.push_back(header.stream);
  }
  if (is_new || index_.label_sets[numbers.labels] != header.labels)
    numbers.labels = number_of(header.labels);
  index_.frames.push_back(
    {offset, header.header_bytes, header.payload_bytes, header.record_count, header.kind, numbers.labels,
      numbers.stream, header.end_point(), header.position_begin, header.first_timestamp, header.last_timestamp});
  index_.records += header.stored_records();
  index_.decoded_bytes += header.decoded_bytes;
}

std::uint32_t segment_index_builder::number_of(const label_set& labels) {
  buffer encoded;
  detail::byte_writer out{encoded};
  detail::write_labels(out, labels);
  auto number = static_cast<std::uint32_t>(index_.label_sets.size());
  auto [found, is_new] = label_sets_.try_emplace(std::string{encoded.text()}, number);
  if (is_new)
    index_.label_sets.push_back(labels);
  return found->second;
}

buffer encode_footer(const segment_index& index, std::uint64_t footer_offset) {
  buffer result;
  detail::byte_writer out{result};
  for (const auto& entry : index.frames)
    write_entry(out, entry);
  for (const auto& stream : index.streams)
    out.stream(stream);
  auto labels_begin = result.size();
  for (const auto& labels : index.label_sets) {
    out.u16(static_cast<std::uint16_t>(labels.size()));
    detail::write_labels(out, labels);
  }
  auto label_bytes = result.size() - labels_begin;
  out.u64(footer_offset);
  out.u32(static_cast<std::uint32_t>(index.frames.size()));
  out.u32(static_cast<std::uint32_t>(index.streams.size()));
  out.u32(static_cast<std::uint32_t>(index.label_sets.size()));
  out.u32(static_cast<std::uint32_t>(label_bytes));
  out.u64(index.records);
  out.u64(index.decoded_bytes);
  out.u64(detail::hash64(result.view()));
  out.u32(0);
  out.u32(trailer_magic);
  return result;
}

expected<std::uint64_t> decode_footer_offset(byte_view bytes, std::uint64_t file_bytes) {
  auto found = decode_trailer(bytes);
  if (!found)
    return fail(found.error());
  if (found->footer_offset > file_bytes || file_bytes - found->footer_offset != footer_bytes(*found))
    return fail(errc::malformed, "segment trailer has lengths that do not add up");
  return found->footer_offset;
}

expected<segment_index> decode_footer(byte_view bytes, std::uint64_t footer_offset) {
  if (bytes.size() < trailer_bytes)
    return fail(errc::truncated, "segment footer breaks off");
  auto t = decode_trailer(bytes.last(trailer_bytes));
  if (!t)
    return fail(t.error());
  if (t->footer_offset != footer_offset || footer_bytes(*t) != bytes.size() ||
      t->label_sets > t->label_bytes / min_label_set_bytes)
    return fail(errc::malformed, "segment trailer has lengths that do not add up");
  if (t->hash != detail::hash64(bytes.first(bytes.size() - unhashed_bytes)))
    return fail(errc::bad_checksum, "segment footer does not match its hash");
  segment_index index;
  index.records = t->records;
  index.decoded_bytes = t->decoded_bytes;
  detail::byte_reader in{bytes.first(bytes.size() - trailer_bytes)};
  index.frames.reserve(t->frames);
  for (std::uint32_t i = 0; i < t->frames; ++i)
    index.frames.push_back(read_entry(in));
  index.streams.reserve(t->streams);
  for (std::uint32_t i = 0; i < t->streams; ++i)
    index.streams.push_back(in.stream());
  for (std::uint32_t i = 0; i < t->label_sets; ++i) {
    auto labels = read_label_set(in);
    if (!labels)
      return fail(labels.error());
    index.label_sets.push_back(std::move(*labels));
  }
  if (in.remaining() != 0)
    return fail(errc::malformed, "segment footer holds more than its lengths announce");
  for (const auto& entry : index.frames)
    if (auto ok = check_entry(entry, index, footer_offset); !ok)
      return fail(ok.error());
  return index;
}

} // namespace sluice
