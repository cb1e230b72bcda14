#include "actors/storage/segment_format.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"

namespace sluice {

namespace {

constexpr std::uint32_t header_magic = 0x47534C53; // "SLSG"
constexpr std::uint32_t mark_magic = 0x4B4D4C53;   // "SLMK"
constexpr std::uint16_t version = 1;
constexpr std::size_t number_digits = 20;
constexpr std::string_view suffix = ".seg";

} // namespace

std::size_t segment_header::encoded_bytes() const noexcept {
  using namespace segment_limits;
  return fixed_header_bytes + streams.size() * stream_entry_bytes + hash_bytes;
}

buffer encode_segment_header(const segment_header& header) {
  buffer result{header.encoded_bytes()};
  detail::byte_writer out{result};
  out.u32(header_magic);
  out.u16(version);
  out.u16(0);
  out.u64(header.number);
  out.time(header.created);
  out.u32(static_cast<std::uint32_t>(header.streams.size()));
  out.u32(0);
  for (const auto& entry : header.streams) {
    out.stream(entry.stream);
    out.point(entry.last);
    out.time(entry.stored);
  }
  out.u64(detail::hash64(result.view()));
  return result;
}

expected<std::size_t> decode_segment_header_size(byte_view bytes) {
  using namespace segment_limits;
  if (bytes.size() < fixed_header_bytes)
    return fail(errc::truncated, "segment header breaks off");
  detail::byte_reader in{bytes};
  if (in.u32() != header_magic)
    return fail(errc::bad_magic, "not a Sluice segment");
  if (auto found = in.u16(); found != version)
    return fail(errc::unsupported_version, fmt::format("segment version {} is not known here", found));
  in.bytes(18);
  auto count = in.u32();
  if (count > max_streams)
    return fail(errc::too_large, fmt::format("segment header announces {} streams", count));
  return fixed_header_bytes + count * stream_entry_bytes + hash_bytes;
}

expected<segment_header> decode_segment_header(byte_view bytes) {
  auto size = decode_segment_header_size(bytes);
  if (!size)
    return fail(size.error());
  if (bytes.size() != *size)
    return fail(errc::truncated, "segment header breaks off");
  auto hashed = bytes.first(*size - segment_limits::hash_bytes);
  if (detail::load_le<std::uint64_t>(bytes.data() + hashed.size()) != detail::hash64(hashed))
    return fail(errc::bad_checksum, "segment header does not match its hash");
  detail::byte_reader in{hashed};
  in.bytes(6);
  auto reserved = in.u16();
  segment_header result;
  result.number = in.u64();
  result.created = in.time();
  result.streams.resize(in.u32());
  if (reserved != 0 || in.u32() != 0)
    return fail(errc::malformed, "segment header has a reserved field that is not 0");
  for (auto& entry : result.streams)
    entry = {in.stream(), in.point(), in.time()};
  return result;
}

segment_marks::segment_marks(byte_view header) {
  salt_.append(header.last(segment_limits::hash_bytes));
}

buffer segment_marks::encode(std::uint64_t offset) const {
  buffer result{segment_limits::mark_bytes};
  detail::byte_writer out{result};
  out.u32(mark_magic);
  out.u32(0);
  out.u64(offset);
  out.u64(detail::hash64(result.view(), salt_.view()));
  return result;
}

bool segment_marks::is_mark(byte_view bytes, std::uint64_t offset) const noexcept {
  if (bytes.size() < segment_limits::mark_bytes)
    return false;
  detail::byte_reader in{bytes};
  return in.u32() == mark_magic && in.u32() == 0 && in.u64() == offset &&
         in.u64() == detail::hash64(bytes.first(16), salt_.view());
}

bool segment_marks::looks_like_mark(byte_view bytes) noexcept {
  return bytes.size() >= sizeof mark_magic && detail::load_le<std::uint32_t>(bytes.data()) == mark_magic;
}

std::size_t segment_marks::find(byte_view bytes, std::uint64_t offset) const noexcept {
  auto text = as_text(bytes);
  for (auto at = text.find("SLMK"); at != text.npos; at = text.find("SLMK", at + 1))
    if (is_mark(bytes.subspan(at), offset + at))
      return at;
  return bytes.size();
}

std::string segment_name(std::uint64_t number) {
  return fmt::format("{:0{}}{}", number, number_digits, suffix);
}

expected<std::vector<segment_file>> list_segments(file_system& files, const std::filesystem::path& folder) {
  auto names = files.list(folder);
  if (!names)
    return fail(names.error());
  std::vector<segment_file> result;
  for (const auto& name : *names) {
    std::uint64_t number = 0;
    auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failed == std::errc{} && name == segment_name(number))
      result.push_back({number, folder / name});
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) { return a.number < b.number; });
  return result;
}

expected<std::vector<segment_file>> list_segments_of_store(file_system& files, const std::filesystem::path& folder) {
  auto found = list_segments(files, folder);
  if (found && found->empty() && !files.info(folder / "id"))
    return fail(errc::malformed,
      fmt::format("{}: is not a store: it has neither segments nor a file `id`; name the folder that `sluice receive "
                  "--store` was given, or a spool",
        folder.string()));
  return found;
}

} // namespace sluice
