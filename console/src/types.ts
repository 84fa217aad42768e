// What the management API answers, as far as the console looks at it. docs/management.md and RabbitMQ's own page say more.

export interface Rate {
  rate: number;
}

export interface Stats {
  publish?: number;
  deliver_get?: number;
  deliver?: number;
  ack?: number;
  redeliver?: number;
  confirm?: number;
  publish_details?: Rate;
  deliver_get_details?: Rate;
  ack_details?: Rate;
  redeliver_details?: Rate;
  [name: string]: unknown;
}

export interface ConsumerRow {
  queue: { name: string; vhost: string };
  consumer_tag: string;
  ack_required: boolean;
  exclusive: boolean;
  prefetch_count: number;
  active?: boolean;
  channel_details: { name: string; connection_name: string; number: number; user: string; peer_host: string; peer_port: number };
}

export interface QueueRow {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  exclusive: boolean;
  arguments: Record<string, unknown>;
  state: string;
  policy: string | null;
  operator_policy: string | null;
  effective_arguments: Record<string, unknown>;
  messages: number;
  messages_ready: number;
  messages_unacknowledged: number;
  messages_scheduled: number;
  message_bytes: number;
  messages_expired: number;
  messages_dropped: number;
  messages_dead_lettered: number;
  consumers: number;
  head_message_timestamp: number | null;
  idle_since?: string;
  message_stats?: Stats;
  consumer_details?: ConsumerRow[];
}

export interface ExchangeRow {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  internal: boolean;
  arguments: Record<string, unknown>;
  policy: string | null;
  message_stats?: { publish_in: number; publish_out: number; publish_in_details: Rate; publish_out_details: Rate };
}

export interface BindingRow {
  source: string;
  vhost: string;
  destination: string;
  destination_type: 'queue' | 'exchange';
  routing_key: string;
  arguments: Record<string, unknown>;
  properties_key: string;
}

export interface ConnectionRow {
  name: string;
  user: string;
  vhost: string;
  state: string;
  peer_host: string;
  peer_port: number;
  ssl: boolean;
  ssl_protocol?: string;
  ssl_cipher?: string;
  peer_cert_subject?: string;
  auth_mechanism: string;
  channels: number;
  channel_max: number;
  frame_max: number;
  timeout: number;
  connected_at: number;
  user_provided_name?: string;
  client_properties: Record<string, unknown>;
  recv_oct: number;
  send_oct: number;
  recv_oct_details: Rate;
  send_oct_details: Rate;
  send_pend: number;
}

export interface ChannelRow {
  name: string;
  number: number;
  vhost: string;
  user: string;
  state: string;
  confirm: boolean;
  transactional: boolean;
  consumer_count: number;
  messages_unacknowledged: number;
  messages_unconfirmed: number;
  prefetch_count: number;
  connection_details: { name: string };
  message_stats?: Stats;
}

export interface Message {
  key: string;
  exchange: string;
  routing_key: string;
  published: string;
  properties: Record<string, unknown>;
  payload_bytes: number;
  payload: string;
  payload_encoding: 'string' | 'base64';
  payload_truncated: boolean;
}

export const exchangeName = (name: string) => name || '(default)';
export const exchangePart = (name: string) => name || 'amq.default';
