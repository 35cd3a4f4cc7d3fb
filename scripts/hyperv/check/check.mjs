// Checks the PowerShell scripts of the folder above, without Windows:
//
//   npm ci && node check.mjs
//
// Syntax, by a parser of the language; every command is a function of these
// scripts or stands in cmdlets.json; every parameter is one of its, and some
// parameter set of it has them all. cmdlets.json lists the parameter sets as
// Microsoft's reference has them for the oldest systems that the scripts run on.
// Some mistakes that 5.1 shows only when it runs the line are found, too: wrong.mjs.
// Values, types and what the commands do are not checked.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Language, Parser } from 'web-tree-sitter';
import { wrong } from './wrong.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const cmdlets = JSON.parse(fs.readFileSync(path.join(here, 'cmdlets.json'), 'utf8'));
const cmdletsByName = new Map(Object.entries(cmdlets).map(([name, c]) => [name.toLowerCase(), c.sets.map(lower)]));
// Modules whose commands are functions. A function of a module does not see the
// script's $ErrorActionPreference: after an error the script would go on.
const functionModules = ['Storage', 'NetTCPIP', 'NetNat'];
const functionsOfModules = lower(Object.keys(cmdlets).filter((name) => functionModules.includes(cmdlets[name].module)).concat('Get-FileHash'));
// What every advanced function and cmdlet takes.
const common = lower(['Debug', 'ErrorAction', 'ErrorVariable', 'InformationAction', 'OutVariable', 'Verbose', 'WarningAction']);

function lower(names) {
  return names.map((name) => name.toLowerCase());
}

async function newParser() {
  await Parser.init();
  const wasm = path.join(here, 'node_modules/tree-sitter-powershell/tree-sitter-powershell.wasm');
  const parser = new Parser();
  parser.setLanguage(await Language.load(wasm));
  return parser;
}

function* walk(node) {
  yield node;
  for (const child of node.children) yield* walk(child);
}

const line = (node) => node.startPosition.row + 1;
const inside = (node, type) => [...walk(node)].filter((n) => n.type === type);

// functionsOf returns the functions that a tree declares, each with its parameters.
function functionsOf(tree) {
  const found = new Map();
  for (const f of inside(tree.rootNode, 'function_statement')) {
    const name = inside(f, 'function_name')[0].text.toLowerCase();
    const own = f.children.flatMap((child) => (child.type === 'script_block' ? inside(child, 'param_block').slice(0, 1) : child));
    const parameters = own.flatMap((n) => inside(n, 'script_parameter')).map((p) => p.lastChild).map((v) => v.text.replace('$', ''));
    found.set(name, [lower(parameters)]);
  }
  return found;
}

// tables returns the keys of the hash tables that are assigned to a variable:
// @name passes them on as parameters.
function tableKeys(tree, variable) {
  const keys = [];
  for (const a of inside(tree.rootNode, 'assignment_expression')) {
    const [left] = a.children;
    if (left.text.toLowerCase() === `$${variable}`) {
      const table = inside(a, 'hash_literal_expression')[0];
      for (const entry of table ? inside(table, 'hash_entry') : []) keys.push(inside(entry, 'key_expression')[0].text);
    }
    const element = left.text.match(/^\$(\w+)\['(\w+)'\]$/);
    if (element && element[1].toLowerCase() === variable) keys.push(element[2]);
  }
  return lower(keys);
}

// check returns what is wrong with a script, a sentence each.
function check(parser, name, source, functions) {
  const found = [];
  const say = (node, text) => found.push(`${name}:${line(node)}: ${text}`);
  const tree = parser.parse(source);
  source.split('\n').forEach((text, i) => {
    if (/[^\t\r\x20-\x7e]/.test(text)) found.push(`${name}:${i + 1}: a character outside ASCII, which 5.1 reads by the machine's code page`);
  });
  checkCounts(source, (i, text) => found.push(`${name}:${i + 1}: ${text}`));
  source.split('\n').forEach((text, i, all) => {
    if (text.trimEnd() === '#>' && all[i + 1]?.startsWith('#')) found.push(`${name}:${i + 2}: right below the help, Get-Help takes this for its last example: leave a line blank`);
  });
  for (const node of walk(tree.rootNode)) {
    if (node.isError || node.isMissing) say(node, `not PowerShell: ${node.text.slice(0, 60)}`);
  }
  for (const node of walk(tree.rootNode)) {
    if (node.type === 'pipeline_chain_tail' || node.type === '&&' || node.type === '||') say(node, 'Windows PowerShell 5.1 has no && and ||');
    if (node.type === 'ternary_expression' || node.type === 'null_coalesce_expression') say(node, 'Windows PowerShell 5.1 has no ?: and ??');
    if (node.type === 'command') checkCommand(tree, node, functions, say);
  }
  return found;
}

// checkCounts wants an array before .Count: in strict mode a single thing has none, nor has nothing.
function checkCounts(source, say) {
  source.split('\n').forEach((text, i) => {
    for (const [, variable] of text.matchAll(/\$(\w+)\.Count\b/gi)) {
      const values = [...source.matchAll(new RegExp(`\\$${variable} = (..)`, 'gi'))].map((match) => match[1]);
      const declared = new RegExp(`\\[\\w+\\[\\]\\] \\$${variable}\\b`, 'i').test(source);
      if (values.length === 0 ? !declared : values.some((value) => value !== '@(')) {
        say(i, `$${variable}.Count fails unless $${variable} is an array: assign it as @(...)`);
      }
    }
  });
}

function checkCommand(tree, command, functions, say) {
  // A block, or what an expression names: "& $block", ". (Join-Path ...)".
  if (command.children.some((child) => child.type === 'command_invokation_operator')) return;
  const name = command.childForFieldName('command_name').text;
  const sets = functions.get(name.toLowerCase()) ?? cmdletsByName.get(name.toLowerCase());
  if (!sets) {
    say(command, `${name} is no function of these scripts and not in cmdlets.json`);
    return;
  }
  const elements = command.childForFieldName('command_elements');
  const given = [];
  for (const element of elements ? elements.children : []) {
    if (element.type === 'command_parameter') given.push(element.text.replace(/^-/, '').replace(/:$/, '').toLowerCase());
    const splatted = element.text.match(/^@(\w+)$/);
    if (splatted) {
      const keys = tableKeys(tree, splatted[1].toLowerCase());
      if (keys.length === 0) say(element, `@${splatted[1]}: no table of that name is assigned here`);
      given.push(...keys);
    }
  }
  if (functionsOfModules.includes(name.toLowerCase()) && !given.includes('erroraction')) {
    say(command, `${name} is a function of a module and does not see $ErrorActionPreference: give it -ErrorAction`);
  }
  const asked = given.filter((parameter) => !common.includes(parameter));
  const unknown = asked.filter((parameter) => !sets.some((set) => set.includes(parameter)));
  for (const parameter of unknown) say(command, `${name} has no parameter -${parameter}`);
  if (unknown.length === 0 && !sets.some((set) => asked.every((parameter) => set.includes(parameter)))) {
    say(command, `${name} does not take together: ${asked.map((parameter) => `-${parameter}`).join(' ')}`);
  }
}

// checkWords compares the words of cloud-init's templates with those that the scripts fill in.
function checkWords(sources) {
  const folder = path.join(here, '../../cloud-init');
  const used = new Set();
  for (const file of ['meta-data', 'network-config', 'user-data.master', 'user-data.slave']) {
    for (const word of fs.readFileSync(path.join(folder, file), 'utf8').matchAll(/@([A-Z0-9_]+)@/g)) used.add(word[1]);
  }
  const filled = new Set();
  const text = sources.get('New-MusterCluster.ps1');
  const table = text.slice(text.indexOf('$common = @{'), text.indexOf('New-Machine $machine'));
  for (const word of table.matchAll(/^\s+([A-Z0-9_]+) += |\$words\['([A-Z0-9_]+)'\]/gm)) filled.add(word[1] ?? word[2]);
  const found = [];
  for (const word of used) if (!filled.has(word)) found.push(`New-MusterCluster.ps1 does not fill in @${word}@ of scripts/cloud-init`);
  for (const word of filled) if (!used.has(word)) found.push(`New-MusterCluster.ps1 fills in @${word}@, which no template has`);
  return found;
}

const parser = await newParser();
const folder = path.join(here, '..');
const sources = new Map(fs.readdirSync(folder).filter((f) => f.endsWith('.ps1')).map((f) => [f, fs.readFileSync(path.join(folder, f), 'utf8')]));
const shared = functionsOf(parser.parse(sources.get('Muster.ps1')));
const problems = checkWords(sources);
let commands = 0;
for (const [name, source] of sources) {
  const tree = parser.parse(source);
  commands += inside(tree.rootNode, 'command').length;
  problems.push(...check(parser, name, source, new Map([...shared, ...functionsOf(tree)])));
}
// The check itself: what is wrong must be found.
for (const [source, expected] of wrong) {
  const found = check(parser, 'wrong.ps1', source, shared);
  if (!found.some((text) => text.includes(expected))) problems.push(`check.mjs finds nothing like "${expected}" in: ${source}`);
}
problems.forEach((text) => console.log(text));
console.log(`${sources.size} scripts, ${commands} commands, ${wrong.length} mistakes that must be found: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
