#include "messages/type_ids.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/deserializer.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/serializer.hpp>

#include "messages/batch.hpp"
#include "messages/protocol.hpp"

namespace sluice {

void init_messages_meta_objects() {
  caf::init_global_meta_objects<caf::id_block::sluice_messages>();
}

} // namespace sluice
