// A table of the collector as French spreadsheets read it: heads in French, semicolons, decimal commas, a byte order mark. Pure.
// What other people named is text and stays text: a cell that a spreadsheet would take for a formula is made plain.

const HEADS: Record<string, string> = {
  start_at: 'début_utc',
  length_s: 'durée_s',
  agent: 'agent',
  agents: 'agents',
  zones: 'zones',
  city: 'ville',
  country: 'pays',
  network: 'réseau',
  provider: 'fournisseur',
  region: 'région',
  zone: 'zone',
  metro: 'métropole',
  target: 'cible',
  address: 'adresse',
  method: 'méthode',
  flow: 'flux',
  load: 'charge',
  granularity: 'granularité',
  period_ms: 'période_ms',
  waiting_time_ms: 'délai_d_attente_ms',
  host: 'hôte',
  answer: 'réponse',
  sent: 'envoyées',
  returned: 'revenues',
  lost: 'perdues',
  loss_ratio: 'taux_de_perte',
  late: 'en_retard',
  duplicate: 'doubles',
  reordered: 'réordonnées',
  refused: 'refusées',
  discarded: 'écartées',
  send_errors: 'erreurs_d_envoi',
  skipped: 'sautées',
  clock: 'horloge',
  shift_p50_us: 'écart_p50_us',
  intervals: 'intervalles',
  n_effective: 'n_effectif',
  why: 'pourquoi',
  loss_why: 'perte_pourquoi',
};
/** Columns whose cells are names, which are never numbers however they look. */
const NAMES = new Set([
  'agent',
  'city',
  'country',
  'network',
  'provider',
  'region',
  'zone',
  'metro',
  'target',
  'address',
  'host',
]);
const NUMBER = /^-?\d+(\.\d+)?(e-?\d+)?$/;

/** RFC 4180: fields in quotes may hold commas, quotes and line ends. */
export function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let [row, field, quoted]: [string[], string, boolean] = [[], '', false];
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i]!;
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') {
        field += '"';
        i += 1;
      } else quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === ',' || letter === '\n') {
      row.push(field);
      field = '';
      if (letter === '\n') {
        rows.push(row);
        row = [];
      }
    } else if (letter !== '\r') field += letter;
  }
  if (field !== '' || row.length > 0) rows.push([...row, field]);
  return rows;
}

function head(column: string): string {
  if (column.startsWith('baseline_')) return `référence_${head(column.slice('baseline_'.length))}`;
  return HEADS[column] ?? column;
}

function cell(text: string, isName: boolean): string {
  const inert = !isName && NUMBER.test(text) ? text.replace('.', ',') : text.replace(/^[=+\-@\t]/, "'$&");
  return /[;"\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

export function frenchCsv(text: string): string {
  const [columns = [], ...rows] = readCsv(text);
  const lines = rows.map((row) => row.map((field, i) => cell(field, NAMES.has(columns[i] ?? ''))).join(';'));
  return `\ufeff${[columns.map(head).join(';'), ...lines, ''].join('\r\n')}`;
}
