// Properties: whatever the sizes of the pieces in which bytes come, the same messages come out, none longer than the
// bound; a record holds nothing but what stood in its message, and can be encoded. Input: u8 size of pieces, bytes.

#include <string>
#include <vector>

#include "messages/syslog/syslog_framer.hpp"
#include "messages/syslog/syslog_parser.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

constexpr std::size_t max_message_bytes = 512;

std::vector<std::pair<std::string, bool>> messages_of(std::string_view bytes, std::size_t piece) {
  std::vector<std::pair<std::string, bool>> found;
  auto take = [&found](const framed_piece& piece) {
    FUZZ_REQUIRE(piece.text.size() <= max_message_bytes);
    found.emplace_back(piece.text, piece.is_last);
  };
  syslog_framer framer{max_message_bytes};
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    framer.feed(bytes.substr(at, piece), take);
  framer.finish(take);
  return found;
}

void parse(syslog_parser& parser, std::string_view message) {
  record_view record;
  auto format = parser.parse(message, timestamp{std::chrono::hours{500'000}}, record);
  FUZZ_REQUIRE(format != syslog_format::unparsed || (record.body == message && record.attributes.empty()));
  FUZZ_REQUIRE(record.body.size() <= message.size());
  FUZZ_REQUIRE(message.ends_with(record.body));
  FUZZ_REQUIRE(record.level.has_value() == (format != syslog_format::unparsed));
  for (auto& [key, value] : record.attributes)
    FUZZ_REQUIRE(value.size() <= message.size() + 8); // a facility's name may be longer than its number
  record_encoder encoder;
  FUZZ_REQUIRE(encoder.append(record));
  encoder.finish();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  if (input.empty())
    return 0;
  auto piece = static_cast<std::size_t>(static_cast<unsigned char>(input[0])) + 1;
  auto messages = messages_of(input.substr(1), piece);
  FUZZ_REQUIRE(messages == messages_of(input.substr(1), input.size()));
  syslog_parser parser{[](auto) { return std::chrono::hours{-5}; }};
  for (auto& [message, is_last] : messages)
    parse(parser, is_last ? without_trailer(message) : message);
  return 0;
}
