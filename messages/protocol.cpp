#include "messages/protocol.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/locale/utf.hpp>
#include <fmt/format.h>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"

namespace sluice {

namespace {

enum class message_type : std::uint8_t { hello = 1, welcome = 2, frame = 3, ack = 4, notice = 5, heartbeat = 6 };

constexpr std::size_t body_bytes_offset = 4;
constexpr std::size_t check_offset = 8;
constexpr std::size_t ack_body_bytes = 56;
constexpr std::size_t welcome_body_bytes = ack_body_bytes + sizeof(id128);
constexpr std::size_t hello_body_bytes = welcome_body_bytes + sizeof(std::uint64_t);
constexpr std::size_t notice_head_bytes = 4;

/// Room for a body before its first byte has come; more only as that fills. A batch of 1 MiB fits.
constexpr std::size_t initial_body_bytes = 1024 * 1024 + 64 * 1024;

struct type_rules {
  std::string_view name;
  std::size_t min_body_bytes;
  std::size_t max_body_bytes;
  std::optional<link_side> only_from;
};

/// By number of the type, from 1.
constexpr std::array rules{
  type_rules{"hello", hello_body_bytes, hello_body_bytes, link_side::shipper},
  type_rules{"welcome", welcome_body_bytes, welcome_body_bytes, link_side::receiver},
  type_rules{"frame", frame_limits::min_frame_bytes, frame_limits::max_frame_bytes, link_side::shipper},
  type_rules{"ack", ack_body_bytes, ack_body_bytes, link_side::receiver},
  type_rules{"notice", notice_head_bytes, notice_head_bytes + protocol_limits::max_notice_text_bytes, {}},
  type_rules{"heartbeat", 0, 0, {}},
};

struct message_head {
  message_type type;
  std::array<std::uint8_t, 3> zero;
  std::uint32_t body_bytes;
  std::uint32_t check;
};

message_head read_head(byte_view bytes) noexcept {
  detail::byte_reader in{bytes};
  return {message_type{in.u8()}, {in.u8(), in.u8(), in.u8()}, in.u32(), in.u32()};
}

std::uint32_t check_of(byte_view head, byte_view hashed_body) noexcept {
  return static_cast<std::uint32_t>(detail::hash64(head.first(check_offset), hashed_body));
}

/// As much of `text` as a notice may carry, with '?' for what is not UTF-8.
std::string notice_text(std::string_view text) {
  using utf8 = boost::locale::utf::utf_traits<char>;
  std::string result;
  while (!text.empty()) {
    auto at = text.begin();
    auto valid = boost::locale::utf::is_valid_codepoint(utf8::decode(at, text.end()));
    auto bytes = valid ? static_cast<std::size_t>(at - text.begin()) : 1;
    if (result.size() + bytes > protocol_limits::max_notice_text_bytes)
      break;
    result += valid ? text.substr(0, bytes) : "?";
    text.remove_prefix(bytes);
  }
  return result;
}

/// Writes bodies and tells their type. A frame's body is not written: it is sent from where it is.
struct body_writer {
  detail::byte_writer& out;

  message_type operator()(const hello& x) {
    greeting(x);
    out.u64(x.epoch);
    return message_type::hello;
  }
  message_type operator()(const welcome& x) {
    greeting(x);
    return message_type::welcome;
  }
  message_type operator()(const frame&) { return message_type::frame; }
  message_type operator()(const ack& x) {
    out.stream(x.stream);
    out.point(x.last);
    return message_type::ack;
  }
  message_type operator()(const notice& x) {
    out.u16(static_cast<std::uint16_t>(x.reason.code));
    out.u8(x.closing ? 1 : 0);
    out.u8(0);
    out.text(notice_text(x.reason.message));
    return message_type::notice;
  }
  message_type operator()(const heartbeat&) { return message_type::heartbeat; }

  template <class T>
  void greeting(const T& x) {
    out.stream(x.stream);
    out.point(x.last);
    out.id(x.store);
  }
};

hello read_hello(byte_view body) noexcept {
  detail::byte_reader in{body};
  return {in.stream(), in.point(), in.id(), in.u64()};
}

welcome read_welcome(byte_view body) noexcept {
  detail::byte_reader in{body};
  return {in.stream(), in.point(), in.id()};
}

ack read_ack(byte_view body) noexcept {
  detail::byte_reader in{body};
  return {in.stream(), in.point()};
}

expected<notice> read_notice(byte_view body) {
  detail::byte_reader in{body};
  auto code = in.u16();
  auto closing = in.u8();
  auto zero = in.u8();
  auto text = as_text(in.rest());
  if (closing > 1 || zero != 0)
    return fail(
      errc::malformed, fmt::format("notice: flags are {:#04x} {:#04x}, must be 0 or 1, and 0", closing, zero));
  if (!is_utf8(text))
    return fail(errc::malformed, "notice: text is not valid UTF-8");
  return notice{{errc{code}, std::string{text}}, closing == 1};
}

expected<link_message> read_body(message_type type, buffer body) {
  switch (type) {
  case message_type::hello:
    return read_hello(body.view());
  case message_type::welcome:
    return read_welcome(body.view());
  case message_type::frame:
    return frame::decode(share(std::move(body)));
  case message_type::ack:
    return read_ack(body.view());
  case message_type::notice:
    return read_notice(body.view());
  case message_type::heartbeat:
    break;
  }
  return heartbeat{};
}

expected<void> check_head(const message_head& head, link_side peer) {
  auto type = static_cast<std::size_t>(head.type);
  if (type == 0 || type > rules.size())
    return fail(errc::protocol_violation, fmt::format("message: unknown type {}", type));
  const auto& rule = rules[type - 1];
  if (head.zero != std::array<std::uint8_t, 3>{})
    return fail(
      errc::malformed, fmt::format("{}: bytes 1 to 3 are {:02x}, must be 0", rule.name, fmt::join(head.zero, " ")));
  if (rule.only_from && *rule.only_from != peer)
    return fail(errc::protocol_violation, fmt::format("{}: may not come from the {}", rule.name,
                                            peer == link_side::shipper ? "connecting side" : "accepting side"));
  if (head.body_bytes < rule.min_body_bytes)
    return fail(errc::malformed,
      fmt::format("{}: body_bytes is {}, must be at least {}", rule.name, head.body_bytes, rule.min_body_bytes));
  if (head.body_bytes > rule.max_body_bytes)
    return fail(errc::too_large,
      fmt::format("{}: body_bytes is {}, may be at most {}", rule.name, head.body_bytes, rule.max_body_bytes));
  return {};
}

expected<void> check_hash(byte_view head, byte_view hashed_body) {
  auto actual = check_of(head, hashed_body);
  auto announced = read_head(head).check;
  if (announced != actual)
    return fail(
      errc::bad_checksum, fmt::format("message: check is {:#010x}, its bytes have {:#010x}", announced, actual));
  return {};
}

} // namespace

buffer encode_head(const link_message& message) {
  buffer result;
  detail::byte_writer out{result};
  out.u64(0);
  out.u32(0); // the head, filled in below
  auto type = std::visit(body_writer{out}, message);
  auto hashed_body = result.view().subspan(protocol_limits::message_header_bytes);
  auto* bulk = std::get_if<frame>(&message);
  auto body_bytes = bulk ? bulk->size() : hashed_body.size();
  result.data()[0] = static_cast<std::byte>(type);
  detail::store_le(result.data() + body_bytes_offset, static_cast<std::uint32_t>(body_bytes));
  detail::store_le(result.data() + check_offset, check_of(result.view(), hashed_body));
  return result;
}

message_decoder::message_decoder(link_side peer) : peer_(peer) {}

std::size_t message_decoder::body_bytes() const noexcept {
  return read_head(head_).body_bytes;
}

std::size_t message_decoder::part_bytes() const noexcept {
  switch (part_) {
  case part::head:
    return head_.size();
  case part::extent:
    return frame_limits::extent_bytes;
  case part::body:
    break;
  }
  return body_bytes();
}

std::span<std::byte> message_decoder::want() {
  if (part_ == part::head)
    return std::span{head_}.subspan(filled_);
  return std::span{body_.data(), body_.size()}.subspan(filled_);
}

expected<bool> message_decoder::fed(std::size_t bytes) {
  filled_ += bytes;
  if (filled_ < part_bytes()) {
    if (part_ == part::body && filled_ == body_.size())
      make_room(2 * filled_);
    return false;
  }
  switch (part_) {
  case part::head:
    return end_head();
  case part::extent:
    return end_extent();
  case part::body:
    break;
  }
  return end_body();
}

expected<bool> message_decoder::end_head() {
  auto head = read_head(head_);
  if (auto ok = check_head(head, peer_); !ok)
    return fail(std::move(ok.error()));
  filled_ = 0;
  if (head.type == message_type::frame) {
    if (auto ok = check_hash(head_, {}); !ok)
      return fail(std::move(ok.error()));
    part_ = part::extent;
    body_.resize(frame_limits::extent_bytes);
    return false;
  }
  part_ = part::body;
  body_.resize(head.body_bytes);
  return head.body_bytes == 0 ? end_body() : false;
}

expected<bool> message_decoder::end_extent() {
  auto extent = decode_frame_extent(body_.view());
  if (!extent)
    return fail(std::move(extent.error()));
  if (extent->frame_bytes() != body_bytes())
    return fail(
      errc::malformed, fmt::format("frame: has {} bytes in a body of {}", extent->frame_bytes(), body_bytes()));
  part_ = part::body;
  make_room(initial_body_bytes);
  return false;
}

void message_decoder::make_room(std::size_t bytes) {
  auto room = std::min(bytes, body_bytes());
  body_.reserve(room);
  body_.resize(room);
}

expected<bool> message_decoder::end_body() {
  auto head = read_head(head_);
  if (head.type != message_type::frame) {
    if (auto ok = check_hash(head_, body_.view()); !ok)
      return fail(std::move(ok.error()));
  }
  auto message = read_body(head.type, std::move(body_));
  if (!message)
    return fail(std::move(message.error()));
  message_ = std::move(*message);
  return true;
}

std::pair<link_message, std::size_t> message_decoder::take() {
  auto bytes = head_.size() + body_bytes();
  part_ = part::head;
  filled_ = 0;
  return {std::move(message_), bytes};
}

} // namespace sluice
