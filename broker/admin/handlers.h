// The handlers of the management API, by file. routes.cpp says which path each has, and who may ask. Threads: the
// desk's.
#pragma once

#include "broker/admin/request.h"

namespace wherry::broker::admin::handlers {

#define WHERRY_HANDLER(name) Outcome<Answer> name(Desk& desk, const Request& request)

// listings.cpp
WHERRY_HANDLER(list_queues);
WHERRY_HANDLER(get_queue);
WHERRY_HANDLER(list_exchanges);
WHERRY_HANDLER(get_exchange);
WHERRY_HANDLER(list_bindings);
WHERRY_HANDLER(bindings_from);
WHERRY_HANDLER(bindings_to_exchange);
WHERRY_HANDLER(bindings_of_queue);
WHERRY_HANDLER(bindings_between);
WHERRY_HANDLER(get_binding);
WHERRY_HANDLER(list_connections);
WHERRY_HANDLER(get_connection);
WHERRY_HANDLER(list_channels);
WHERRY_HANDLER(get_channel);
WHERRY_HANDLER(list_consumers);

// topology.cpp
WHERRY_HANDLER(put_queue);
WHERRY_HANDLER(delete_queue);
WHERRY_HANDLER(purge_queue);
WHERRY_HANDLER(queue_action);
WHERRY_HANDLER(get_messages);
WHERRY_HANDLER(put_exchange);
WHERRY_HANDLER(delete_exchange);
WHERRY_HANDLER(publish);
WHERRY_HANDLER(post_binding);
WHERRY_HANDLER(delete_binding);
WHERRY_HANDLER(close_connection);

// access.cpp
WHERRY_HANDLER(list_users);
WHERRY_HANDLER(users_without_permissions);
WHERRY_HANDLER(delete_users);
WHERRY_HANDLER(get_user);
WHERRY_HANDLER(put_user);
WHERRY_HANDLER(delete_user);
WHERRY_HANDLER(user_permissions);
WHERRY_HANDLER(user_topic_permissions);
WHERRY_HANDLER(list_vhosts);
WHERRY_HANDLER(get_vhost);
WHERRY_HANDLER(put_vhost);
WHERRY_HANDLER(delete_vhost);
WHERRY_HANDLER(list_permissions);
WHERRY_HANDLER(get_permission);
WHERRY_HANDLER(put_permission);
WHERRY_HANDLER(delete_permission);
WHERRY_HANDLER(list_topic_permissions);
WHERRY_HANDLER(get_topic_permission);
WHERRY_HANDLER(put_topic_permission);
WHERRY_HANDLER(delete_topic_permission);

// settings.cpp
WHERRY_HANDLER(list_policies);
WHERRY_HANDLER(get_policy);
WHERRY_HANDLER(put_policy);
WHERRY_HANDLER(delete_policy);
WHERRY_HANDLER(list_operator_policies);
WHERRY_HANDLER(get_operator_policy);
WHERRY_HANDLER(put_operator_policy);
WHERRY_HANDLER(delete_operator_policy);
WHERRY_HANDLER(list_vhost_limits);
WHERRY_HANDLER(put_vhost_limit);
WHERRY_HANDLER(delete_vhost_limit);
WHERRY_HANDLER(list_user_limits);
WHERRY_HANDLER(put_user_limit);
WHERRY_HANDLER(delete_user_limit);

// parameters.cpp
WHERRY_HANDLER(list_parameters);
WHERRY_HANDLER(get_parameter);
WHERRY_HANDLER(put_parameter);
WHERRY_HANDLER(delete_parameter);
WHERRY_HANDLER(list_global_parameters);
WHERRY_HANDLER(get_global_parameter);
WHERRY_HANDLER(put_global_parameter);
WHERRY_HANDLER(delete_global_parameter);

// bridges.cpp
WHERRY_HANDLER(list_shovels);
WHERRY_HANDLER(get_shovel);
WHERRY_HANDLER(delete_shovel);
WHERRY_HANDLER(restart_shovel);
WHERRY_HANDLER(list_federation_links);
WHERRY_HANDLER(restart_federation_link);

// definitions_document.cpp
WHERRY_HANDLER(export_definitions);
WHERRY_HANDLER(import_definitions);

// overview.cpp
WHERRY_HANDLER(overview);
WHERRY_HANDLER(list_nodes);
WHERRY_HANDLER(get_node);
WHERRY_HANDLER(cluster_name);
WHERRY_HANDLER(put_cluster_name);
WHERRY_HANDLER(whoami);
WHERRY_HANDLER(auth);
WHERRY_HANDLER(extensions);
WHERRY_HANDLER(feature_flags);
WHERRY_HANDLER(aliveness);
WHERRY_HANDLER(check_alarms);
WHERRY_HANDLER(check_virtual_hosts);
WHERRY_HANDLER(check_fine);
WHERRY_HANDLER(check_port);
WHERRY_HANDLER(check_protocol);

// tasks.cpp
WHERRY_HANDLER(post_task);

// task_views.cpp
WHERRY_HANDLER(list_tasks);
WHERRY_HANDLER(get_task);
WHERRY_HANDLER(list_task_names);
WHERRY_HANDLER(task_overview);
WHERRY_HANDLER(revoke_task);
WHERRY_HANDLER(retry_task);

// workers.cpp
WHERRY_HANDLER(list_workers);
WHERRY_HANDLER(get_worker);
WHERRY_HANDLER(command_workers);

// schedules.cpp
WHERRY_HANDLER(list_schedules);
WHERRY_HANDLER(run_schedule);

// messages.cpp
WHERRY_HANDLER(look_at_messages);
WHERRY_HANDLER(move_messages);
WHERRY_HANDLER(discard_messages);
WHERRY_HANDLER(pause_queue);
WHERRY_HANDLER(resume_queue);

// dead_letters.cpp
WHERRY_HANDLER(dead_letters);
WHERRY_HANDLER(dead_letter);
WHERRY_HANDLER(replay);
WHERRY_HANDLER(discard);

// verbs.cpp
WHERRY_HANDLER(control);

#undef WHERRY_HANDLER

}  // namespace wherry::broker::admin::handlers
