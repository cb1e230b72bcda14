#include "messages/uuid.hpp"

#include <algorithm>
#include <stdexcept>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>

namespace sluice {

namespace {

id128 to_id(const boost::uuids::uuid& uuid) {
  id128 id;
  std::copy(uuid.begin(), uuid.end(), id.begin());
  return id;
}

} // namespace

id128 make_uuid() {
  return to_id(boost::uuids::random_generator{}());
}

std::optional<id128> parse_uuid(std::string_view text) {
  try {
    return to_id(boost::uuids::string_generator{}(text.begin(), text.end()));
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

} // namespace sluice
