#include "messages/detail/label_codec.hpp"

#include <fmt/format.h>

namespace sluice::detail {

void write_labels(byte_writer& out, const label_set& labels) {
  for (const auto& [key, value] : labels) {
    out.u8(static_cast<std::uint8_t>(key.size()));
    out.u16(static_cast<std::uint16_t>(value.size()));
    out.text(key);
    out.text(value);
  }
}

expected<label_set> read_labels(byte_reader& in, std::size_t count) {
  label_set labels;
  std::string_view previous;
  for (std::size_t i = 0; i < count; ++i) {
    auto key_bytes = in.u8();
    auto value_bytes = in.u16();
    auto key = in.text(key_bytes);
    auto value = in.text(value_bytes);
    if (!in.ok())
      return fail(in.failure(), fmt::format("label {} of {} breaks off", i + 1, count));
    if (auto set = labels.set(key, value); !set)
      return fail(errc::malformed, fmt::format("label {} of {}: {}", i + 1, count, set.error().message));
    if (i > 0 && key <= previous)
      return fail(errc::malformed, fmt::format("label key '{}' stands behind '{}', not in order", key, previous));
    previous = key;
  }
  return labels;
}

} // namespace sluice::detail
