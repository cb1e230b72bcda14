#pragma once

#include <caf/type_id.hpp>

/// Numbers by which CAF knows the types of messages/ that travel between actors. They are the same on all nodes, so
/// a new type goes to the end.

namespace sluice {

struct error;
struct stream_id;
struct stream_point;
struct hello;
struct welcome;
struct ack;
class label_set;
struct frame_header;
class frame;
struct batch;
struct notice;
struct heartbeat;

/// Makes the types known to CAF. Call before the first actor system is made.
void init_messages_meta_objects();

} // namespace sluice

CAF_BEGIN_TYPE_ID_BLOCK(sluice_messages, caf::first_custom_type_id)

CAF_ADD_TYPE_ID(sluice_messages, (sluice::error))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::stream_id))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::stream_point))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::hello))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::welcome))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::ack))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::label_set))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::frame_header))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::frame))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::batch))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::notice))
CAF_ADD_TYPE_ID(sluice_messages, (sluice::heartbeat))

CAF_END_TYPE_ID_BLOCK(sluice_messages)
