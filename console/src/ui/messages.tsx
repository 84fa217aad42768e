// The messages that wait in a queue, looked at where they lie: nothing is delivered, no flag changes.
import { useState } from 'preact/hooks';
import { get, post, query, seg } from '../api';
import { bytes, clock, count, plural, pretty } from '../format';
import { Move } from '../pages/queue';
import { exchangeName, type Message } from '../types';
import { Badge, Button, Card, Code, Empty, ErrorBox, Facts, When } from './basics';
import { Confirm, Opens } from './dialog';

const portion = 20;

export function Messages(props: { vhost: string; queue: string; ready: number; changed: () => void }) {
  const [rows, setRows] = useState<Message[]>();
  const [more, setMore] = useState(false);
  const [error, setError] = useState<Error>();
  const [chosen, setChosen] = useState(new Set<string>());
  const path = `/wherry/queues/${seg(props.vhost)}/${seg(props.queue)}`;
  const look = async (after?: string) => {
    setError(undefined);
    try {
      const seen = await get<Message[]>(path + '/messages' + query({ limit: portion, after }));
      setRows(after ? [...(rows ?? []), ...seen] : seen);
      setMore(seen.length === portion);
      if (!after) setChosen(new Set());
    } catch (refused) {
      setError(refused as Error);
    }
  };
  const changed = () => {
    look();
    props.changed();
  };
  const keys = [...chosen];
  return (
    <Card
      title="Messages"
      actions={
        <>
          {keys.length > 0 && (
            <>
              <Opens label={`Move ${keys.length}`} icon="move">
                {(close) => <Move vhost={props.vhost} from={props.queue} ready={props.ready} keys={keys} close={close} done={changed} />}
              </Opens>
              <Confirm
                label={`Discard ${keys.length}`}
                icon="trash"
                title={`Discard ${plural(keys.length, 'message')}?`}
                words="They are gone for good."
                run={async () => {
                  const answer = await post<{ discarded: number }>(path + '/discard', { keys });
                  changed();
                  return `${plural(answer.discarded, 'message')} discarded.`;
                }}
              />
            </>
          )}
          <Button icon="search" onClick={() => look()}>
            {rows ? 'Look again' : 'Look into the queue'}
          </Button>
        </>
      }
    >
      <ErrorBox error={error} />
      {!rows && (
        <p class="muted">
          {plural(props.ready, 'message')} wait{props.ready === 1 ? 's' : ''}. Looking delivers nothing: consumers do not notice.
        </p>
      )}
      {rows?.length === 0 && <Empty title="No message waits here" icon="queue" />}
      {rows && rows.length > 0 && (
        <ol class="messages">
          {rows.map((row) => (
            <li key={row.key}>
              <input
                type="checkbox"
                aria-label={`Choose message ${row.key}`}
                checked={chosen.has(row.key)}
                onChange={(event) => {
                  const next = new Set(chosen);
                  if (event.currentTarget.checked) next.add(row.key);
                  else next.delete(row.key);
                  setChosen(next);
                }}
              />
              <details>
                <summary>
                  <span class="muted">#{row.key}</span>
                  <span class="payload">{row.payload_encoding === 'base64' ? 'binary' : row.payload.slice(0, 160) || '(empty)'}</span>
                  <span class="muted">
                    <When time={row.published} /> · {bytes(row.payload_bytes)}
                  </span>
                </summary>
                <Facts
                  of={[
                    ['Exchange', exchangeName(row.exchange)],
                    ['Routing key', <code>{row.routing_key}</code>],
                    ['Published', clock(row.published)],
                    ...Object.entries(row.properties)
                      .filter(([name]) => name !== 'headers')
                      .map(([name, value]): [string, string] => [name, String(value)]),
                  ]}
                />
                {row.properties.headers !== undefined && (
                  <>
                    <h3>Headers</h3>
                    <Code text={JSON.stringify(row.properties.headers, null, 2)} />
                  </>
                )}
                <h3>
                  Payload {row.payload_encoding === 'base64' && <Badge>base64</Badge>} {row.payload_truncated && <Badge tone="warn">the beginning of {count(row.payload_bytes)} bytes</Badge>}
                </h3>
                <Code text={row.payload_encoding === 'base64' ? row.payload : pretty(row.payload)} />
              </details>
            </li>
          ))}
        </ol>
      )}
      {rows && more && (
        <p>
          <Button onClick={() => look(rows[rows.length - 1].key)}>More</Button>
        </p>
      )}
    </Card>
  );
}
