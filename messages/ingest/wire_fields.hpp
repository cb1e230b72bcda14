#pragma once

#include <functional>
#include <string_view>

namespace sluice {

/// Of a message in a protobuf that is read into an object at once. Objects take many times the memory that their bytes
/// do, so what has many records is read one by one.
inline constexpr std::size_t max_wire_message_bytes = 4 * 1024 * 1024;

/// Calls `take(number, bytes)` for each field of a protobuf that holds bytes, such as a message within it, without
/// copying them. Returns false as soon as the protobuf turns out to be none, or `take` does.
bool for_each_wire_field(std::string_view bytes, const std::function<bool(int number, std::string_view bytes)>& take);

/// Whether `bytes` have more than `max` fields `number`, as far as they are a protobuf.
bool has_more_wire_fields(std::string_view bytes, int number, std::size_t max);

/// Reads `bytes` into `message`, whose memory is used again.
template <class Message>
bool read_wire_message(std::string_view bytes, Message& message) {
  return bytes.size() <= max_wire_message_bytes &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

} // namespace sluice
