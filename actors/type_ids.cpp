#include "actors/type_ids.hpp"

#include <caf/init_global_meta_objects.hpp>

#include "actors/errors.hpp"
#include "actors/interfaces.hpp"

namespace sluice {

void init_meta_objects() {
  caf::core::init_global_meta_objects();
  init_messages_meta_objects();
  caf::init_global_meta_objects<caf::id_block::sluice_actors>();
}

} // namespace sluice
