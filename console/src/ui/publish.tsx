// A message of one's own, into an exchange.
import { useState } from 'preact/hooks';
import { post, seg } from '../api';
import { exchangeName, exchangePart } from '../types';
import { Area, Check, Field, FormDialog, objectOf } from './dialog';

export function Publish(props: { vhost: string; exchange: string; routingKey?: string; close: () => void; done?: () => void }) {
  const [key, setKey] = useState(props.routingKey ?? '');
  const [payload, setPayload] = useState('');
  const [type, setType] = useState('application/json');
  const [persistent, setPersistent] = useState(true);
  const [headers, setHeaders] = useState('');
  const [more, setMore] = useState('');
  const run = async () => {
    const properties: Record<string, unknown> = { ...objectOf(more, 'More properties'), delivery_mode: persistent ? 2 : 1 };
    if (type) properties.content_type = type;
    const given = objectOf(headers, 'Headers');
    if (Object.keys(given).length) properties.headers = given;
    const answer = await post<{ routed: boolean }>(`/exchanges/${seg(props.vhost)}/${seg(exchangePart(props.exchange))}/publish`, {
      routing_key: key,
      payload,
      payload_encoding: 'string',
      properties,
    });
    if (!answer.routed) throw new Error('No queue took it: no binding of this exchange fits the routing key');
    props.done?.();
    return 'Published, and kept.';
  };
  return (
    <FormDialog title={props.exchange === '' && props.routingKey ? `Publish to ${props.routingKey}` : `Publish to ${exchangeName(props.exchange)}`} action="Publish" close={props.close} run={run} wide>
      {!(props.exchange === '' && props.routingKey) && <Field label="Routing key" value={key} set={setKey} />}
      <Area label="Payload" rows={6} value={payload} set={setPayload} />
      <Field label="Content type" value={type} set={setType} list={['application/json', 'text/plain', 'application/octet-stream']} />
      <Check label="Persistent: it survives a restart in a durable queue" value={persistent} set={setPersistent} />
      <Area label="Headers" rows={2} value={headers} set={setHeaders} hint="JSON" />
      <Area label="More properties" rows={2} value={more} set={setMore} hint='JSON, such as {"priority": 5, "correlation_id": "7"}' />
    </FormDialog>
  );
}
