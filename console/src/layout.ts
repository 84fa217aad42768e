// Where the nodes of the picture of bindings stand: exchanges in columns, each behind those that it gets messages from,
// and queues in the last one. A plain layered drawing: a line that goes past a column has a place of its own in it, and
// within a column everything stands near the middle of its neighbours, so that few lines cross. Plain functions.

export interface Node {
  id: string;
  kind: 'exchange' | 'queue';
  name: string;
}

export interface Edge {
  from: string;
  to: string;
  labels: string[]; // Of all bindings between the two.
}

export interface Placed extends Node {
  x: number;
  y: number;
}

export interface Way {
  edge: Edge;
  points: [number, number][]; // From the right of the one to the left of the other.
}

export const box = { width: 190, height: 34, across: 130, down: 14, margin: 16, lane: 8 };

// How far from a source of messages each exchange is: the longest way, which cycles do not lengthen.
function columnsOf(nodes: Node[], edges: Edge[]): Map<string, number> {
  const column = new Map(nodes.map((node) => [node.id, 0]));
  const exchanges = nodes.filter((node) => node.kind === 'exchange').length;
  for (let round = 0; round < exchanges; ++round) {
    let changed = false;
    for (const edge of edges) {
      const next = (column.get(edge.from) ?? 0) + 1;
      if (next > (column.get(edge.to) ?? 0) && next <= exchanges && edge.from !== edge.to) {
        column.set(edge.to, next);
        changed = true;
      }
    }
    if (!changed) break;
  }
  const last = Math.max(1, ...column.values());
  nodes.forEach((node) => node.kind === 'queue' && column.set(node.id, last));
  // Columns without anything are left out.
  const used = [...new Set(column.values())].sort((a, b) => a - b);
  return new Map([...column].map(([id, at]) => [id, used.indexOf(at)]));
}

interface Item {
  id: string;
  name: string;
  lane: boolean; // A line passes here.
}

export function place(nodes: Node[], edges: Edge[]): { placed: Map<string, Placed>; ways: Way[]; width: number; height: number } {
  const column = columnsOf(nodes, edges);
  const columns: Item[][] = [];
  for (const node of [...nodes].sort((a, b) => a.name.localeCompare(b.name))) (columns[column.get(node.id)!] ??= []).push({ id: node.id, name: node.name, lane: false });
  const neighbours = new Map<string, string[]>();
  const meet = (a: string, b: string) => {
    neighbours.set(a, [...(neighbours.get(a) ?? []), b]);
    neighbours.set(b, [...(neighbours.get(b) ?? []), a]);
  };
  const stations = edges.map((edge) => {
    const [from, to] = [column.get(edge.from)!, column.get(edge.to)!];
    const between: string[] = [];
    for (let at = from + 1; at < to; ++at) {
      const id = `${edge.from}\n>\n${edge.to}\n${at}`;
      columns[at].push({ id, name: '', lane: true });
      between.push(id);
    }
    const all = [edge.from, ...between, edge.to];
    all.slice(1).forEach((id, at) => meet(all[at], id));
    return between;
  });
  const row = new Map<string, number>();
  columns.forEach((each) => each.forEach((item, at) => row.set(item.id, at / each.length)));
  // To and fro a few times, each column by the middle of its neighbours.
  for (let round = 0; round < 8; ++round) {
    for (const each of round % 2 ? [...columns].reverse() : columns) {
      const by = new Map(each.map((item) => {
        const near = neighbours.get(item.id) ?? [];
        return [item.id, near.length ? near.reduce((sum, id) => sum + row.get(id)!, 0) / near.length : row.get(item.id)!];
      }));
      each.sort((a, b) => by.get(a.id)! - by.get(b.id)! || a.name.localeCompare(b.name));
      each.forEach((item, at) => row.set(item.id, (at + 0.5) / each.length));
    }
  }
  const tall = (item: Item) => (item.lane ? box.lane : box.height);
  const heights = columns.map((each) => each.reduce((sum, item) => sum + tall(item) + box.down, -box.down));
  const tallest = Math.max(box.height, ...heights);
  const placed = new Map<string, Placed>();
  const lanes = new Map<string, [number, number]>();
  const known = new Map(nodes.map((node) => [node.id, node]));
  columns.forEach((each, at) => {
    const x = box.margin + at * (box.width + box.across);
    let y = box.margin + (tallest - heights[at]) / 2;
    for (const item of each) {
      if (item.lane) lanes.set(item.id, [x, y + box.lane / 2]);
      else placed.set(item.id, { ...known.get(item.id)!, x, y });
      y += tall(item) + box.down;
    }
  });
  const ways = edges.map((edge, at): Way => {
    const [a, b] = [placed.get(edge.from)!, placed.get(edge.to)!];
    const points: [number, number][] = [[a.x + box.width, a.y + box.height / 2]];
    for (const id of stations[at]) {
      const [x, y] = lanes.get(id)!;
      points.push([x, y], [x + box.width, y]);
    }
    points.push([b.x, b.y + box.height / 2]);
    return { edge, points };
  });
  return {
    placed,
    ways,
    width: 2 * box.margin + columns.length * box.width + Math.max(0, columns.length - 1) * box.across,
    height: 2 * box.margin + tallest,
  };
}

// Curves from column to column, straight past those between.
export function path(points: [number, number][]): string {
  return points
    .map(([x, y], at) => {
      if (at === 0) return `M${x} ${y}`;
      const [px, py] = points[at - 1];
      const bend = Math.max(30, Math.abs(x - px) / 2);
      return `C${px + bend} ${py} ${x - bend} ${y} ${x} ${y}`;
    })
    .join('');
}
