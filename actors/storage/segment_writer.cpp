#include "actors/storage/segment_writer.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sluice {

namespace {

constexpr std::uint64_t rewrite_bytes = 1024 * 1024;

} // namespace

std::string_view to_string(durability level) noexcept {
  switch (level) {
  case durability::fsync:
    return "fsync";
  case durability::os:
    return "os";
  case durability::memory:
    return "memory";
  }
  return "?";
}

expected<durability> parse_durability(std::string_view text) {
  for (auto level : {durability::fsync, durability::os, durability::memory})
    if (text == to_string(level))
      return level;
  return fail(errc::invalid_argument, fmt::format("durability '{}' is not one of fsync, os, memory", text));
}

expected<void> write_again(file& target, std::uint64_t begin, std::uint64_t end) {
  buffer bytes;
  while (begin < end) {
    bytes.resize(std::min<std::uint64_t>(end - begin, rewrite_bytes));
    auto got = target.read_at({bytes.data(), bytes.size()}, begin);
    if (!got)
      return fail(got.error());
    if (*got != bytes.size())
      return fail(errc::truncated, "the file has become shorter while it was read");
    if (auto ok = target.write_at(std::array{bytes.view()}, begin); !ok)
      return ok;
    begin += bytes.size();
  }
  return target.sync();
}

segment_writer::segment_writer(
  std::unique_ptr<file> to, std::filesystem::path where, segment_header header, segment_marks marks, durability level)
  : file_(std::move(to)), path_(std::move(where)), header_(std::move(header)), marks_(std::move(marks)),
    durability_(level), end_(header_.encoded_bytes()) {}

expected<segment_writer> segment_writer::create(
  file_system& files, const std::filesystem::path& where, segment_header header, durability level) {
  auto encoded = encode_segment_header(header);
  if (auto ok = replace_file(files, where, encoded.text()); !ok)
    return fail(ok.error());
  auto opened = files.open(where, open_mode::read_write);
  if (!opened)
    return fail(opened.error());
  return segment_writer{std::move(*opened), where, std::move(header), segment_marks{encoded.view()}, level};
}

expected<segment_writer> segment_writer::resume(
  file_system& files, const std::filesystem::path& where, segment_header header, segment_scan found, durability level) {
  auto opened = files.open(where, open_mode::read_write);
  if (!opened)
    return fail(opened.error());
  segment_marks marks{encode_segment_header(header).view()};
  segment_writer result{std::move(*opened), where, std::move(header), std::move(marks), level};
  result.frames_ = std::move(found.frames);
  auto begin = std::exchange(result.end_, found.end);
  if (auto ok = result.cut_back(); !ok)
    return fail(ok.error());
  // A mark is written only when all before it is on the disk.
  if (level == durability::fsync)
    if (auto ok = write_again(*result.file_, found.mark.value_or(begin), found.end); !ok)
      return fail(ok.error());
  return result;
}

expected<void> segment_writer::append(std::span<const frame* const> frames) {
  buffer mark;
  std::vector<byte_view> parts;
  parts.reserve(frames.size() + 1);
  if (durability_ == durability::fsync) {
    mark = marks_.encode(end_);
    parts.push_back(mark.view());
  }
  auto offset = end_ + mark.size();
  for (const auto* frame : frames)
    parts.push_back(frame->bytes());
  if (auto ok = write(parts, durability_ == durability::fsync); !ok)
    return ok;
  for (const auto* frame : frames) {
    frames_.add(frame->header(), offset);
    offset += frame->size();
  }
  return {};
}

expected<void> segment_writer::seal() {
  auto footer = encode_footer(index(), end_);
  return write(std::array{footer.view()}, durability_ != durability::memory);
}

expected<void> segment_writer::close() {
  if (durability_ == durability::memory)
    return {};
  if (durability_ == durability::os)
    return sync();
  auto mark = marks_.encode(end_);
  return write(std::array{mark.view()}, true);
}

expected<void> segment_writer::write(std::span<const byte_view> parts, bool synced) {
  if (has_rest_)
    if (auto ok = cut_back(); !ok)
      return ok;
  has_rest_ = true;
  auto done = file_->write_at(parts, end_);
  if (done && synced)
    done = sync();
  if (!done) {
    // What cannot be cut back now is before the next write.
    (void)cut_back();
    return done;
  }
  has_rest_ = false;
  for (auto part : parts)
    end_ += part.size();
  return {};
}

expected<void> segment_writer::sync() {
  ++syncs_;
  return file_->sync();
}

expected<void> segment_writer::cut_back() {
  has_rest_ = true;
  if (auto ok = file_->truncate(end_); !ok)
    return ok;
  if (durability_ == durability::fsync)
    if (auto ok = sync(); !ok)
      return ok;
  has_rest_ = false;
  return {};
}

} // namespace sluice
