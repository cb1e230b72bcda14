#include "actors/errors.hpp"

#include <caf/const_typed_message_view.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>
#include <caf/type_id.hpp>

namespace sluice {

caf::error to_caf(const error& reason) {
  return caf::make_error(reason.code, reason.message);
}

error from_caf(const caf::error& reason) {
  if (!reason)
    return {};
  if (reason.category() == caf::type_id_v<errc>) {
    auto text = caf::make_const_typed_message_view<std::string>(reason.context());
    return {static_cast<errc>(reason.code()), text ? get<0>(text) : std::string{}};
  }
  if (reason == caf::sec::request_timeout)
    return {errc::timed_out, "no answer in time"};
  if (reason.category() == caf::type_id_v<caf::exit_reason>)
    return {errc::shutting_down, to_string(reason)};
  return {errc::connection_lost, to_string(reason)};
}

} // namespace sluice
