#pragma once

#include <cstdint>

namespace sluice {

/// What a shipper is doing; names are those of the log, the status and the metrics.
enum class shipper_phase : std::uint8_t { connecting, handshaking, streaming, backing_off, failed };

constexpr const char* to_string(shipper_phase x) noexcept {
  switch (x) {
  case shipper_phase::connecting:
    return "connecting";
  case shipper_phase::handshaking:
    return "handshaking";
  case shipper_phase::streaming:
    return "streaming";
  case shipper_phase::backing_off:
    return "backing_off";
  case shipper_phase::failed:
    return "failed";
  }
  return "unknown";
}

} // namespace sluice
