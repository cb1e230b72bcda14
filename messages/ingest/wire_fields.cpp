#include "messages/ingest/wire_fields.hpp"

#include <cstdint>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

namespace sluice {

bool for_each_wire_field(std::string_view bytes, const std::function<bool(int number, std::string_view bytes)>& take) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input{
    reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size())};
  while (auto tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag))
        return false;
      continue;
    }
    std::uint32_t size = 0;
    if (!input.ReadVarint32(&size) || size > bytes.size() - static_cast<std::size_t>(input.CurrentPosition()))
      return false;
    auto field = bytes.substr(static_cast<std::size_t>(input.CurrentPosition()), size);
    if (!take(WireFormatLite::GetTagFieldNumber(tag), field) || !input.Skip(static_cast<int>(size)))
      return false;
  }
  return input.ConsumedEntireMessage();
}

bool has_more_wire_fields(std::string_view bytes, int number, std::size_t max) {
  std::size_t found = 0;
  for_each_wire_field(bytes, [&](int each, std::string_view) { return each != number || ++found <= max; });
  return found > max;
}

} // namespace sluice
