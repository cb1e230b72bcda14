#include "messages/record_codec.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::uint8_t encoding = 1;
constexpr std::uint8_t no_severity = 255;

namespace flag {
constexpr std::uint8_t sized = 1;
constexpr std::uint8_t timestamps = 2;
constexpr std::uint8_t severities = 4;
constexpr std::uint8_t attributes = 8;
constexpr std::uint8_t unterminated = 16;
constexpr std::uint8_t all = sized | timestamps | severities | attributes | unterminated;
} // namespace flag

struct payload_header {
  std::uint8_t flags = 0;
  std::uint32_t bodies_bytes = 0;
  timestamp base;
};

void write_payload_header(buffer& to, const payload_header& header) {
  detail::byte_writer out{to};
  out.u8(encoding);
  out.u8(header.flags);
  out.u16(0);
  out.u32(header.bodies_bytes);
  out.time(header.base);
}

expected<payload_header> read_payload_header(detail::byte_reader& in) {
  auto found_encoding = in.u8();
  auto flags = in.u8();
  auto reserved = in.u16();
  auto bodies_bytes = in.u32();
  auto base = in.time();
  if (!in.ok())
    return fail(errc::truncated, "payload: shorter than its header");
  if (found_encoding != encoding)
    return fail(
      errc::unsupported_version, fmt::format("payload: encoding is {}, this build reads {}", found_encoding, encoding));
  if ((flags & ~flag::all) != 0)
    return fail(errc::malformed, fmt::format("payload: flags are {:#04x}, may be within {:#04x}", flags, flag::all));
  if ((flags & (flag::sized | flag::unterminated)) == flag::unterminated)
    return fail(errc::malformed, "payload: lines say by themselves whether the last one is terminated");
  if (reserved != 0)
    return fail(errc::malformed, fmt::format("payload: reserved is {:#x}, must be 0", reserved));
  return payload_header{flags, bodies_bytes, base};
}

/// Finds the end of `count` varints without decoding them, and takes them from `in`.
detail::byte_reader take_varints(detail::byte_reader& in, std::uint32_t count) noexcept {
  auto rest = in.rest();
  std::size_t end = 0;
  for (; count > 0 && end < rest.size(); ++end)
    count -= (rest[end] & std::byte{0x80}) == std::byte{0};
  return detail::byte_reader{in.bytes(count == 0 ? end : rest.size() + 1)};
}

// In unsigned arithmetic, since hostile differences may overflow.
std::int64_t difference(timestamp from, timestamp to) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(to.time_since_epoch().count()) -
                                   static_cast<std::uint64_t>(from.time_since_epoch().count()));
}

timestamp advance(timestamp from, std::int64_t by) noexcept {
  auto sum = static_cast<std::uint64_t>(from.time_since_epoch().count()) + static_cast<std::uint64_t>(by);
  return timestamp{std::chrono::nanoseconds{static_cast<std::int64_t>(sum)}};
}

expected<void> check_attributes(const record_view& record) {
  using namespace payload_limits;
  if (record.attributes.size() > max_attributes)
    return fail(
      errc::too_large, fmt::format("record has {} attributes, may have {}", record.attributes.size(), max_attributes));
  for (const auto& [key, value] : record.attributes) {
    if (key.empty())
      return fail(errc::invalid_argument, "record has an attribute without a key");
    if (key.size() > max_attribute_key_bytes)
      return fail(
        errc::too_large, fmt::format("attribute key has {} bytes, may have {}", key.size(), max_attribute_key_bytes));
    if (value.size() > max_attribute_value_bytes)
      return fail(errc::too_large,
        fmt::format("value of attribute {:?} has {} bytes, may have {}", key, value.size(), max_attribute_value_bytes));
  }
  return {};
}

} // namespace

std::size_t encoded_bound(const record_view& record) noexcept {
  constexpr std::size_t columns = 5 + 10 + 1 + 1; // length, timestamp, severity, number of attributes
  constexpr std::size_t attribute_lengths = 2 + 3;
  auto bound = columns + record.body.size();
  for (const auto& [key, value] : record.attributes)
    bound += attribute_lengths + key.size() + value.size();
  return bound;
}

// -- lines_payload ----------------------------------------------------------------------------------------------------

lines_payload::lines_payload(buffer memory) : data_(std::move(memory)) {
  data_.resize(payload_limits::header_bytes);
}

std::string_view lines_payload::text() const noexcept {
  return data_.text().substr(payload_limits::header_bytes);
}

std::span<std::byte> lines_payload::prepare(std::size_t bytes) {
  auto end = data_.size();
  data_.resize(end + bytes);
  std::span room{data_.data() + end, bytes};
  data_.resize(end);
  return room;
}

void lines_payload::commit(std::size_t bytes) noexcept {
  assert(data_.size() + bytes <= data_.capacity());
  data_.resize(data_.size() + bytes);
}

void lines_payload::append(std::string_view text) {
  data_.append(as_bytes(text));
}

void lines_payload::truncate(std::size_t text_bytes) noexcept {
  assert(text_bytes <= this->text_bytes());
  data_.resize(payload_limits::header_bytes + text_bytes);
}

buffer lines_payload::finish(timestamp time) && {
  assert(text_bytes() > 0 && text_bytes() <= payload_limits::max_text_bytes);
  auto end = data_.size();
  auto bodies_bytes = static_cast<std::uint32_t>(text_bytes());
  data_.clear();
  write_payload_header(data_, {0, bodies_bytes, time});
  data_.resize(end);
  return std::move(data_);
}

std::size_t count_newlines(std::string_view text) noexcept {
  std::size_t sum = 0;
  // Counting in bytes keeps all lanes of a vector busy; a block is what a byte can count.
  constexpr std::size_t block = 255;
  for (; !text.empty(); text.remove_prefix(std::min(block, text.size()))) {
    std::uint8_t newlines = 0;
    for (auto c : text.substr(0, block))
      newlines = static_cast<std::uint8_t>(newlines + (c == '\n'));
    sum += newlines;
  }
  return sum;
}

std::uint32_t count_lines(std::string_view text) noexcept {
  auto unterminated = !text.empty() && text.back() != '\n';
  return static_cast<std::uint32_t>(count_newlines(text) + unterminated);
}

// -- record_encoder ---------------------------------------------------------------------------------------------------

expected<void> record_encoder::append(const record_view& record) {
  if (auto ok = check_attributes(record); !ok)
    return ok;
  if (is_unterminated_)
    return fail(errc::invalid_argument, "a record cannot follow one that is not terminated");
  if (auto bytes = payload_bytes() + encoded_bound(record); bytes > frame_limits::max_decoded_bytes)
    return fail(errc::too_large, fmt::format("payload would have {} bytes with this record of {}, may have {}", bytes,
                                   record.body.size(), frame_limits::max_decoded_bytes));
  if (count_ == 0)
    base_ = previous_ = first_ = last_ = record.time;
  bodies_.append(as_bytes(record.body));
  detail::byte_writer{lengths_}.varint(record.body.size());
  detail::byte_writer{timestamps_}.varint(detail::zigzag(difference(previous_, record.time)));
  detail::byte_writer{severities_}.u8(record.level ? static_cast<std::uint8_t>(*record.level) : no_severity);
  detail::byte_writer attributes{attributes_};
  attributes.varint(record.attributes.size());
  for (const auto& [key, value] : record.attributes) {
    attributes.varint(key.size());
    attributes.text(key);
    attributes.varint(value.size());
    attributes.text(value);
  }
  has_timestamps_ |= record.time != base_;
  has_severity_ |= record.level.has_value();
  has_attributes_ |= !record.attributes.empty();
  is_unterminated_ = !record.terminated;
  previous_ = record.time;
  first_ = std::min(first_, record.time);
  last_ = std::max(last_, record.time);
  ++count_;
  return {};
}

std::size_t record_encoder::payload_bytes() const noexcept {
  return payload_limits::header_bytes + bodies_.size() + lengths_.size() + timestamps_.size() + severities_.size() +
         attributes_.size();
}

buffer record_encoder::finish(buffer memory) {
  assert(count_ > 0);
  std::uint8_t flags = flag::sized;
  flags |= has_timestamps_ ? flag::timestamps : 0;
  flags |= has_severity_ ? flag::severities : 0;
  flags |= has_attributes_ ? flag::attributes : 0;
  flags |= is_unterminated_ ? flag::unterminated : 0;
  auto payload = std::move(memory);
  payload.clear();
  payload.reserve(payload_bytes());
  write_payload_header(payload, {flags, static_cast<std::uint32_t>(bodies_.size()), base_});
  payload.append(bodies_.view());
  payload.append(lengths_.view());
  if (has_timestamps_)
    payload.append(timestamps_.view());
  if (has_severity_)
    payload.append(severities_.view());
  if (has_attributes_)
    payload.append(attributes_.view());
  clear();
  return payload;
}

void record_encoder::clear() noexcept {
  for (auto* column : {&bodies_, &lengths_, &timestamps_, &severities_, &attributes_})
    column->clear();
  count_ = 0;
  has_timestamps_ = has_severity_ = has_attributes_ = is_unterminated_ = false;
}

// -- record_reader ----------------------------------------------------------------------------------------------------

expected<record_reader> record_reader::open(byte_view payload, std::uint32_t record_count) {
  detail::byte_reader in{payload};
  auto header = read_payload_header(in);
  if (!header)
    return fail(std::move(header.error()));
  if (record_count == 0)
    return fail(errc::malformed, "payload: must have at least one record");
  record_reader reader;
  reader.record_count_ = record_count;
  reader.current_.time = header->base;
  reader.lines_ = (header->flags & flag::sized) == 0;
  reader.is_unterminated_ = (header->flags & flag::unterminated) != 0;
  reader.has_timestamps_ = (header->flags & flag::timestamps) != 0;
  reader.has_severities_ = (header->flags & flag::severities) != 0;
  reader.has_attributes_ = (header->flags & flag::attributes) != 0;
  reader.bodies_ = reader.unread_bodies_ = in.text(header->bodies_bytes);
  if (!reader.lines_)
    reader.lengths_ = take_varints(in, record_count);
  if (reader.has_timestamps_)
    reader.timestamps_ = take_varints(in, record_count);
  if (reader.has_severities_)
    reader.severities_ = detail::byte_reader{in.bytes(record_count)};
  if (reader.has_attributes_)
    reader.attributes_ = detail::byte_reader{in.bytes(in.remaining())};
  if (!in.ok())
    return fail(errc::truncated,
      fmt::format("payload: {} bytes do not hold the columns of {}", payload.size(), counted(record_count, "record")));
  if (in.remaining() > 0)
    return fail(errc::malformed, fmt::format("payload: {} bytes behind the last column", in.remaining()));
  return reader;
}

const record_view* record_reader::next() {
  if (failure_)
    return nullptr;
  if (index_ == record_count_) {
    check_end();
    return nullptr;
  }
  auto has_body = lines_ ? read_line() : read_sized();
  if (!has_body || !read_time() || !read_severity() || !read_attributes())
    return nullptr;
  ++index_;
  return &current_;
}

bool record_reader::read_line() {
  if (unread_bodies_.empty())
    return stop(errc::malformed, "the bodies hold fewer lines");
  auto end = unread_bodies_.find('\n');
  current_.terminated = end != std::string_view::npos;
  current_.body = unread_bodies_.substr(0, end);
  unread_bodies_.remove_prefix(current_.body.size() + (current_.terminated ? 1 : 0));
  return true;
}

bool record_reader::read_sized() {
  auto length = lengths_.varint();
  if (!lengths_.ok())
    return stop(lengths_.failure(), "length is not a varint");
  if (length > unread_bodies_.size())
    return stop(
      errc::malformed, fmt::format("length is {}, the bodies have {} bytes left", length, unread_bodies_.size()));
  current_.body = unread_bodies_.substr(0, length);
  unread_bodies_.remove_prefix(length);
  current_.terminated = !is_unterminated_ || index_ + 1 < record_count_;
  return true;
}

bool record_reader::read_time() {
  if (!has_timestamps_)
    return true;
  auto delta = detail::unzigzag(timestamps_.varint());
  if (!timestamps_.ok())
    return stop(timestamps_.failure(), "timestamp is not a varint");
  current_.time = advance(current_.time, delta);
  return true;
}

bool record_reader::read_severity() {
  if (!has_severities_)
    return true;
  auto level = severities_.u8();
  if (level > static_cast<std::uint8_t>(severity::debug) && level != no_severity)
    return stop(errc::malformed, fmt::format("severity is {}, must be 0 to 7 or 255", level));
  current_.level = level == no_severity ? std::nullopt : std::optional{severity{level}};
  return true;
}

bool record_reader::read_attributes() {
  if (!has_attributes_)
    return true;
  using namespace payload_limits;
  current_.attributes.clear();
  auto count = attributes_.varint();
  if (count > max_attributes)
    return stop(errc::malformed, fmt::format("has {} attributes, may have {}", count, max_attributes));
  for (; count > 0; --count) {
    auto key_bytes = attributes_.varint();
    auto key = attributes_.text(key_bytes);
    auto value_bytes = attributes_.varint();
    auto value = attributes_.text(value_bytes);
    if (!attributes_.ok())
      break;
    if (key.empty() || key.size() > max_attribute_key_bytes)
      return stop(errc::malformed,
        fmt::format("attribute key has {} bytes, must have 1 to {}", key.size(), max_attribute_key_bytes));
    if (value.size() > max_attribute_value_bytes)
      return stop(errc::malformed,
        fmt::format("attribute value has {} bytes, may have {}", value.size(), max_attribute_value_bytes));
    current_.attributes.emplace_back(key, value);
  }
  return attributes_.ok() || stop(attributes_.failure(), "attributes break off");
}

void record_reader::check_end() {
  if (!unread_bodies_.empty())
    stop(errc::malformed, fmt::format("{} bytes of bodies are left", unread_bodies_.size()));
  else if (attributes_.remaining() > 0)
    stop(errc::malformed, fmt::format("{} bytes of attributes are left", attributes_.remaining()));
}

bool record_reader::stop(errc code, std::string_view what) {
  failure_ = error{code, fmt::format("payload: record {} of {}: {}", index_, record_count_, what)};
  return false;
}

std::optional<timestamp> record_reader::common_time() const noexcept {
  return has_timestamps_ ? std::nullopt : std::optional{current_.time};
}

} // namespace sluice
