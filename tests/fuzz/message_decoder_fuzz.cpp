// Properties: messages encode again to the bytes that they came in; how the bytes are cut into pieces makes no
// difference; no room is offered beyond what the head of a message allows. Input: one byte of options (bit 0 the
// sending side, bit 1 whether checks are made right first, the rest the size of pieces), then what the peer sends.

#include <algorithm>

#include "messages/protocol.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

constexpr auto head_bytes = protocol_limits::message_header_bytes;
constexpr std::byte frame_type{3};

/// Makes the checks of all messages right that lie behind one another in `bytes`.
void fix_checks(std::span<std::byte> bytes) {
  while (bytes.size() >= head_bytes) {
    auto body_bytes =
      std::min<std::size_t>(detail::load_le<std::uint32_t>(bytes.data() + 4), bytes.size() - head_bytes);
    auto body = bytes.subspan(head_bytes, body_bytes);
    auto is_frame = bytes[0] == frame_type;
    if (is_frame)
      fix_frame_hashes(body);
    auto hash = detail::hash64(bytes.first(8), is_frame ? byte_view{} : byte_view{body});
    detail::store_le(bytes.data() + 8, static_cast<std::uint32_t>(hash));
    bytes = bytes.subspan(head_bytes + body_bytes);
  }
}

struct outcome {
  std::size_t messages = 0;
  errc failure = errc::none;
  bool at_boundary = false;
  friend bool operator==(const outcome&, const outcome&) = default;
};

void require_same_bytes(const link_message& message, byte_view consumed) {
  auto head = encode_head(message);
  FUZZ_REQUIRE(consumed.size() >= head.size() && std::ranges::equal(head.view(), consumed.first(head.size())));
  auto* bulk = std::get_if<frame>(&message);
  FUZZ_REQUIRE(std::ranges::equal(bulk ? bulk->bytes() : byte_view{}, consumed.subspan(head.size())));
}

outcome feed(link_side peer, byte_view bytes, std::size_t piece) {
  message_decoder decoder{peer};
  outcome result;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    auto room = decoder.want();
    FUZZ_REQUIRE(!room.empty() && room.size() <= frame_limits::max_frame_bytes);
    auto size = std::min({room.size(), bytes.size() - at, piece});
    std::memcpy(room.data(), bytes.data() + at, size);
    at += size;
    auto complete = decoder.fed(size);
    if (!complete) {
      FUZZ_REQUIRE(!complete.error().message.empty());
      result.failure = complete.error().code;
      return result;
    }
    if (!*complete)
      continue;
    auto [message, wire_bytes] = decoder.take();
    FUZZ_REQUIRE(begin + wire_bytes == at && decoder.at_boundary());
    require_same_bytes(message, bytes.subspan(begin, wire_bytes));
    begin = at;
    ++result.messages;
  }
  result.at_boundary = decoder.at_boundary();
  return result;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  auto peer = (data[0] & 1) == 0 ? link_side::shipper : link_side::receiver;
  std::size_t piece = 1 + (data[0] >> 2);
  buffer bytes;
  bytes.append(fuzz_input(data + 1, size - 1));
  if ((data[0] & 2) != 0)
    fix_checks({bytes.data(), bytes.size()});
  (void)check_preface(bytes.view());
  FUZZ_REQUIRE(feed(peer, bytes.view(), piece) == feed(peer, bytes.view(), bytes.size()));
  return 0;
}
