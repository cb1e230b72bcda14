#include "messages/ingest/attributes.hpp"

namespace sluice {

bool fits(std::string_view key, std::string_view value) noexcept {
  return !key.empty() && key.size() <= payload_limits::max_attribute_key_bytes &&
         value.size() <= payload_limits::max_attribute_value_bytes;
}

bool set_attribute(attribute_list& of, std::string_view key, std::string_view value) {
  auto* there = find_attribute(of, key);
  if (!fits(key, value) || (!there && of.size() >= payload_limits::max_attributes))
    return false;
  if (there)
    *there = value;
  else
    of.emplace_back(key, value);
  return true;
}

} // namespace sluice
