#include "messages/ingest/json_attributes.hpp"

#include <boost/json/object.hpp>

namespace sluice {

attribute_outcome json_attributes::read(std::string_view text, std::string_view prefix, attribute_list& to) {
  texts_.clear();
  auto parsed = document_.parse(text);
  auto* object = parsed ? (*parsed)->if_object() : nullptr;
  if (!object)
    return attribute_outcome::unparsed;
  return set_members(*object, prefix, to) ? attribute_outcome::parsed : attribute_outcome::too_large;
}

bool json_attributes::set_members(const boost::json::object& of, std::string_view prefix, attribute_list& to) {
  for (auto& member : of) {
    std::string_view name{member.key().data(), member.key().size()};
    if (prefix.size() + name.size() > payload_limits::max_attribute_key_bytes)
      return false;
    auto key = prefix.empty() ? name : texts_.arena().keep({prefix, name});
    auto* inner = member.value().if_object();
    auto is_set = inner && !inner->empty() ? set_members(*inner, texts_.arena().keep({key, "."}), to)
                                           : set_attribute(to, key, texts_.of(member.value()));
    if (!is_set)
      return false;
  }
  return true;
}

} // namespace sluice
