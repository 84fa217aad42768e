// Tables: sorted by their headers; on a phone each row is a card with the headers beside the values.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { query } from '../api';
import { count } from '../format';
import { useLive, type Page } from '../live';
import { Button, Empty, ErrorBox, Loading, Search } from './basics';

export interface Column<T> {
  key: string;
  label: string;
  cell: (row: T) => ComponentChildren;
  number?: boolean;
  sort?: (row: T) => string | number | null | undefined; // Without it the column cannot be sorted by.
  field?: string; // What the API sorts by, for tables in pages.
  quiet?: boolean; // Left out where there is little room.
}

interface Order {
  key: string;
  reverse: boolean;
}

interface Choosing<T> {
  chosen: Set<string>;
  choose: (next: Set<string>) => void;
  keyOf: (row: T) => string;
}

function Head<T>(props: { columns: Column<T>[]; order?: Order; sort?: (key: string) => void; choosing?: Choosing<T>; rows: T[] }) {
  const { choosing } = props;
  return (
    <thead>
      <tr>
        {choosing && (
          <th class="choose">
            <input
              type="checkbox"
              aria-label="Choose all that are shown"
              checked={props.rows.length > 0 && props.rows.every((row) => choosing.chosen.has(choosing.keyOf(row)))}
              onChange={(event) => choosing.choose(new Set(event.currentTarget.checked ? props.rows.map(choosing.keyOf) : []))}
            />
          </th>
        )}
        {props.columns.map((column) => {
          const mine = props.order?.key === column.key;
          const sorts = props.sort && (column.sort || column.field);
          return (
            <th
              key={column.key}
              scope="col"
              class={(column.number ? 'number ' : '') + (column.quiet ? 'quiet' : '')}
              aria-sort={mine ? (props.order?.reverse ? 'descending' : 'ascending') : undefined}
            >
              {sorts ? (
                <button type="button" onClick={() => props.sort!(column.key)}>
                  {column.label}
                  <span class="arrow" aria-hidden="true">
                    {mine ? (props.order?.reverse ? '↓' : '↑') : ''}
                  </span>
                </button>
              ) : (
                column.label || <span class="visually-hidden">What can be done</span>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Body<T>(props: { columns: Column<T>[]; rows: T[]; keyOf: (row: T) => string; choosing?: Choosing<T> }) {
  const { choosing } = props;
  return (
    <tbody>
      {props.rows.map((row) => {
        const key = props.keyOf(row);
        return (
          <tr key={key}>
            {choosing && (
              <td class="choose">
                <input
                  type="checkbox"
                  aria-label={'Choose ' + key}
                  checked={choosing.chosen.has(key)}
                  onChange={(event) => {
                    const next = new Set(choosing.chosen);
                    if (event.currentTarget.checked) next.add(key);
                    else next.delete(key);
                    choosing.choose(next);
                  }}
                />
              </td>
            )}
            {props.columns.map((column) => (
              <td
                key={column.key}
                data-label={column.label}
                class={(column.number ? 'number ' : '') + (column.quiet ? 'quiet' : '')}
              >
                {column.cell(row)}
              </td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}

// A table of rows that are all here.
export function Table<T>(props: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  empty: ComponentChildren;
  order?: Order;
  chosen?: Set<string>;
  choose?: (next: Set<string>) => void;
}) {
  const [order, setOrder] = useState(props.order);
  const rows = useMemo(() => {
    const by = props.columns.find((column) => column.key === order?.key)?.sort;
    if (!by || !order) return props.rows;
    const sorted = [...props.rows].sort((a, b) => {
      const [x, y] = [by(a) ?? '', by(b) ?? ''];
      return typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en', { numeric: true });
    });
    return order.reverse ? sorted.reverse() : sorted;
  }, [props.rows, props.columns, order]);
  if (!props.rows.length) return <>{props.empty}</>;
  const choosing = props.chosen && props.choose ? { chosen: props.chosen, choose: props.choose, keyOf: props.keyOf } : undefined;
  return (
    <div class="table">
      <table aria-label={props.label}>
        <Head
          columns={props.columns}
          order={order}
          sort={(key) => setOrder((now) => ({ key, reverse: now?.key === key ? !now.reverse : false }))}
          choosing={choosing}
          rows={rows}
        />
        <Body columns={props.columns} rows={rows} keyOf={props.keyOf} choosing={choosing} />
      </table>
    </div>
  );
}

const pageSize = 50;

// A listing of the API, a page at a time: it may be of fifty thousand.
export function Listing<T>(props: {
  label: string;
  path: string;
  columns: Column<T>[];
  keyOf: (row: T) => string;
  empty: ComponentChildren;
  order?: Order;
  actions?: ComponentChildren;
}) {
  const [name, setName] = useState('');
  const [pattern, setPattern] = useState(false);
  const [page, setPage] = useState(1);
  const [order, setOrder] = useState<Order | undefined>(props.order);
  const field = props.columns.find((column) => column.key === order?.key)?.field;
  const asked =
    props.path +
    query({ page, page_size: pageSize, pagination: true, name, use_regex: pattern, sort: field, sort_reverse: order?.reverse });
  const { data, error } = useLive<Page<T>>(asked);
  // While another page is on its way the last one stays.
  const [kept, setKept] = useState<Page<T>>();
  if (data && kept !== data) setKept(data);
  const shown = data ?? kept;
  return (
    <>
      <div class="bar">
        <Search
          value={name}
          label={'Filter ' + props.label.toLowerCase()}
          set={(text) => {
            setName(text);
            setPage(1);
          }}
        />
        <label class="check">
          <input type="checkbox" checked={pattern} onChange={(event) => setPattern(event.currentTarget.checked)} />
          as a pattern
        </label>
        {shown && (
          <span class="muted">
            {shown.filtered_count === shown.total_count ? count(shown.total_count) : `${count(shown.filtered_count)} of ${count(shown.total_count)}`}
          </span>
        )}
        {props.actions && <div class="actions">{props.actions}</div>}
      </div>
      <ErrorBox error={error} />
      {!shown && !error && <Loading />}
      {shown && shown.items.length === 0 && (name ? <Empty title="Nothing has such a name" icon="search">Take away letters of the filter to see more.</Empty> : props.empty)}
      {shown && shown.items.length > 0 && (
        <div class="table">
          <table aria-label={props.label}>
            <Head
              columns={props.columns}
              order={order}
              sort={(key) => setOrder((now) => ({ key, reverse: now?.key === key ? !now.reverse : Boolean(props.columns.find((column) => column.key === key)?.number) }))}
              rows={shown.items}
            />
            <Body columns={props.columns} rows={shown.items} keyOf={props.keyOf} />
          </table>
        </div>
      )}
      {shown && shown.page_count > 1 && (
        <nav class="pager" aria-label="Pages">
          <Button disabled={page <= 1} onClick={() => setPage(page - 1)}>
            Previous
          </Button>
          <span>
            Page {shown.page} of {shown.page_count}
          </span>
          <Button disabled={page >= shown.page_count} onClick={() => setPage(page + 1)}>
            Next
          </Button>
        </nav>
      )}
    </>
  );
}
