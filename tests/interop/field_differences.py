"""Where the management API differs from RabbitMQ 3.10.8's on purpose: what docs/management.md says under "What is different".

A line is "PATH FIELD FIELD ...": a path of docs/openapi.yaml and fields, with "*" for anything. fields_test.py finds each
difference, and each line that is not one any more.
"""

# Not looked into: what users put there, and objects whose keys are names.
OPAQUE = {"arguments", "definition", "client_properties", "effective_policy_definition", "value", "properties", "cluster_state", "socket_opts"}

# RabbitMQ has them or not by what happened a moment ago.
SOMETIMES = {"idle_since"}

MISSING = [
    # Erlang's processes: their work, their memory, their files.
    "* *reductions *reductions_details *garbage_collection",
    "/api/nodes* *context_switches* *gc_* *run_queue *proc_total *proc_used_details *net_ticktime *mem_calculation_strategy *metrics_gc_queue_length",
    "/api/nodes* *io_* *mnesia_* *msg_store_* *queue_index_* *ra_open_file_metrics *config_files *applications[] *enabled_plugins[]",
    "/api/overview *statistics_db_event_queue *sample_retention_policies *release_series_support_status message_stats.disk_*",
    "/api/queues* *backing_queue_status *memory *recoverable_slaves *consumer_capacity *consumer_utilisation",
    # Where messages of a queue are is the store's, for all queues together.
    "/api/queues* *_ram *_paged_out *message_bytes_persistent",
    # Of exchanges that federation makes at an upstream: here they are plain ones.
    "/api/overview *internal_purpose",
    "/api/nodes* *internal_purpose",
    # RabbitMQ has a list around the one shovel.
    "/api/shovels/vhost/{vhost}/{name} []",
    # Plugins bring pages of their own there.
    "/api/extensions []",
    # What changes a second is told of counts, not of what there is now.
    "* *messages_details *messages_ready_details *messages_unacknowledged_details",
    "/api/overview churn_rates.*_details",
    # Of HTTP listeners: they are among the listeners.
    "* *contexts[]",
    "/api/nodes* *channel_closed* *channel_created* *connection_closed* *connection_created* *queue_created* *queue_declared* *queue_deleted*",
    "/api/nodes* *disk_free_details *fd_used_details *mem_used_details *sockets_used_details",
    # Counts by pairs: a queue's by channel, an exchange's by queue; a virtual host's are its queues'.
    "/api/queues/{vhost}/{name} deliveries incoming",
    "/api/exchanges/{vhost}/{name} incoming outgoing",
    "/api/channels/{name} deliveries publishes",
    "/api/vhosts* *message_stats *recv_oct *recv_oct_details *send_oct *send_oct_details *default_queue_type",
    # No queue has one consumer to itself for long enough to ask; acks of a transaction; quorum queues' log.
    "/api/queues* *exclusive_consumer_tag",
    "*channels* *acks_uncommitted *pending_raft_commands",
    # Of TLS: what is seen is the protocol, the cipher and whose certificate it is.
    "*connections* *peer_cert_issuer *peer_cert_validity *ssl_hash *ssl_key_exchange",
]

EXTRA = [
    # A disk that does not answer.
    "/api/nodes* *disk_stalled *disk_stalls",
    "/api/queues* *duplicates *home_shard *messages_scheduled *effective_arguments",
    "/api/queues* *messages_dead_lettered *messages_dropped *messages_expired",
    "/api/queues* *messages_dead_lettered_details *messages_dropped_details *messages_expired_details",
    "*connections* *shard",
    "* *origin",
    # There, and null, where no policy holds.
    "/api/exchanges* *policy",
    "/api/vhosts* *connections",
    "/api/definitions/{vhost} product_name product_version rabbitmq_version",
    "/api/nodes* *being_drained",
    "/api/shovels* *blocked_status *messages",
    # Within a list, at RabbitMQ.
    "/api/shovels/vhost/{vhost}/{name} *",
]

OTHER_TYPE = [
    "/api/overview listeners[].socket_opts",
    # When the oldest message was published; RabbitMQ tells what its publisher wrote there.
    "/api/queues* *head_message_timestamp",
    # A name of the cluster is a global parameter once it was set, at RabbitMQ always.
    "* *global_parameters[].value [].value",
    # A shovel's connection to its own broker has none at RabbitMQ.
    "* *channel_details.peer_port *connection_details.peer_port",
    # RabbitMQ writes null in lists and an empty text for one connection.
    "/api/connections/{name} ssl_protocol ssl_cipher peer_cert_subject",
]

OTHER_STATUS = [
    # RabbitMQ ends with an exception.
    "GET:/api/nodes/nowhere: 500->404",
    "POST:/api/bindings/fields/e/orders/x/work:{} 500->404",
    '*"ackmode":"nothing"* 500->400',
    # Without them: ack_requeue_true and auto.
    '*/work/get:{"count":1} 400->200',
    # RabbitMQ says nothing there.
    "POST:/api/overview:{} words",
    "login:None:None:/api/overview words",
    # No JSON.
    'PUT:raw:{"a":1,} 201->400',
]
