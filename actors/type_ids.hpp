#pragma once

#include <string>
#include <utility>
#include <vector>

#include <caf/is_error_code_enum.hpp>
#include <caf/type_id.hpp>

#include "messages/errc.hpp"
#include "messages/type_ids.hpp"

/// Type IDs of what actors exchange beyond the data of messages/: the parts of a stream's life, and handles.

namespace sluice {

struct accepted_link;
struct chunk;
struct gap;
struct link_event;
struct open_stream;
struct restart_stream;
struct end_stream;
struct close_stream;
struct ship_status;
struct ship_report;
struct child_status;
struct child_change;
struct metric_sample;
struct stats_snapshot;

} // namespace sluice

CAF_BEGIN_TYPE_ID_BLOCK(sluice_actors, caf::id_block::sluice_messages::end)

CAF_ADD_TYPE_ID(sluice_actors, (sluice::errc))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::accepted_link))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::chunk))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::link_event))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::open_stream))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::restart_stream))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::end_stream))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::ship_status))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::metric_sample))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::stats_snapshot))
CAF_ADD_TYPE_ID(sluice_actors, (std::vector<sluice::metric_sample>))
CAF_ADD_TYPE_ID(sluice_actors, (std::vector<std::string>))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::gap))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::close_stream))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::child_status))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::child_change))
CAF_ADD_TYPE_ID(sluice_actors, (std::vector<sluice::child_status>))
CAF_ADD_TYPE_ID(sluice_actors, (sluice::ship_report))

CAF_ADD_ATOM(sluice_actors, sluice, children_atom)
CAF_ADD_ATOM(sluice_actors, sluice, drain_atom)
CAF_ADD_ATOM(sluice_actors, sluice, end_of_input_atom)
CAF_ADD_ATOM(sluice_actors, sluice, flush_atom)
CAF_ADD_ATOM(sluice_actors, sluice, idle_atom)
CAF_ADD_ATOM(sluice_actors, sluice, status_atom)
CAF_ADD_ATOM(sluice_actors, sluice, stop_atom)

CAF_END_TYPE_ID_BLOCK(sluice_actors)

CAF_ERROR_CODE_ENUM(sluice::errc)

namespace sluice {

/// Registers all types of messages/ and actors/ with CAF; call before making an actor system.
void init_meta_objects();

} // namespace sluice
