/** The text of a store's `README.txt`: what lies where, and how to get a tree out without Berth. */
export function readmeText(): string {
  return README.replaceAll('~~~', '```').replaceAll('@{', '${')
}

// The script is plain sh. jq turns the manifest into a second script, its names quoted by @sh, so that any name is safe.
const README = String.raw`This is a store of Berth, format 1. Nothing in it is ever overwritten, but the hints in latest/.

  berth.json                                       the format's version
  chunks/<hh>/<sha256>.tar.zst                     groups of small files: a tar in zstd frames; the name is the sha256 of the object
  chunks/<hh>/<sha256>.zst                         segments of big files: one after another through "zstd -d" they are the file
  snapshots/<archive>/@/<generation>.json.zst      a manifest for each save: what the tree was, and where its content lies
  snapshots/<archive>/@/<generation>-<id>.hashes   content hashes, read only by a save
  latest/<archive>/@                               a hint; the highest generation without "~" is the newest
  prune/<id>.json.zst, prune/<id>.swept            what was found to be of no use, for a later prune to remove; and that it did

To get a tree out without Berth you need sh, zstd, tar, jq and coreutils. If the store is in S3, copy it to a disk first:

  aws s3 sync s3://bucket/prefix store             or: rclone copy remote:bucket/prefix store

Go to the directory of this file, and run what follows with these set:

  archive=comfyui/venv                             the archive's name; the newest snapshot is taken
  out=/workspace/venv                              a new directory
  manifest=snapshots/comfyui/venv/@/00000003.json.zst   only for an older snapshot, or one with "~", which lies beside the history

A venv names its own place in its scripts: extract it to the same path, which is one of these:

  zstd -dc snapshots/comfyui/venv/@/00000003.json.zst | jq -r '.venvs[] | (.prefixes // [.prefix])[], (.named // empty)'

~~~sh
set -eu
manifest=@{manifest-} newest=
if [ -z "$manifest" ]; then
  for file in "snapshots/$archive/@/"*.json.zst; do
    case $file in *~*) continue ;; esac
    number=$(basename "$file" | cut -c 1-8)
    if [ "$number" != "$newest" ]; then manifest=$file newest=$number; fi
  done
fi
if [ ! -f "$manifest" ]; then
  echo "There is no $manifest. The archives of this store:" >&2
  ls -R snapshots | while IFS= read -r line; do
    case $line in */@:) line=@{line#snapshots/}; echo "  @{line%/@:}" >&2 ;; esac
  done
  exit 1
fi
program='
def runs: . as $r | [range(0; length; 2) as $i | range($r[$i + 1]) | $r[$i]];
def sums: [foreach .[] as $d (0; . + $d)];
def names($count): if $count == 0 then [] else split("/") end;
def endings($ending): if $ending == "" then . else split("//") | join($ending + "/") end;
def counts: [to_entries[] | .key as $directory | range(.value) | $directory];
def table: map({key: "\(.[0])", value: .[1]}) | from_entries;
def below($directory; $name): if $directory == "" then $name else $directory + "/" + $name end;
def quoted($prefix): if .raw then "\"\($prefix)$(printf " + (.raw | @sh) + ")\"" else $prefix + .path | @sh end;
def at: quoted("./");
def seconds: "\(. / 1000000 | floor).\(. % 1000000 + 1000000 | tostring | .[1:])";
def octal: [512, 64, 8, 1] as $units | . as $mode | [$units[] | ($mode / . | floor) % 8 | tostring] | join("");
def batches: . as $all | range(0; length; 200) as $i | $all[$i:$i + 200] | join(" ");
def owners: group_by([.uid, .gid])[] | "\(.[0].uid):\(.[0].gid)" as $owner | map(at) | batches | "own \($owner) -- \(.)";
def modes: group_by(.mode)[] | (.[0].mode | octal) as $mode | map(at) | batches | "chmod \($mode) -- \(.)";
def times: group_by(.mtime)[] | (.[0].mtime | seconds) as $time | map(at) | batches | "touch -h -d @\($time) -- \(.)";
. as $m
| (.raw | map_values(table)) as $raw
| (.directories.names | split("/")) as $n
| (reduce range(1; $n | length) as $i ([""]; .[$i] = below(.[$i - $m.directories.up[$i]]; $n[$i]))) as $paths
| (.directories | {mode: (.mode | runs), uid: (.uid | runs), gid: (.gid | runs), mtime: (.mtime | sums)}) as $c
| [range($paths | length) | {path: $paths[.], raw: $raw.directories["\(.)"], mode: $c.mode[.], uid: $c.uid[.], gid: $c.gid[.], mtime: $c.mtime[.]}] as $directories
| (.files.size | length) as $count
| (.files | .ending as $ending | .names | endings($ending) | names($count)) as $n
| (.files | {directory: (.count | counts), mode: (.mode | runs), uid: (.uid | runs), gid: (.gid | runs), mtime: (.mtime | sums), chunk: (.chunk | runs)}) as $c
| (.files.members | table) as $members
| (.files.segments | map({key: "\(.[0])", value: .[1:]}) | from_entries) as $segments
| [range($count) | {path: below($paths[$c.directory[.]]; $n[.]), raw: $raw.files["\(.)"], mode: $c.mode[.], uid: $c.uid[.], gid: $c.gid[.],
    mtime: $c.mtime[.], chunk: $c.chunk[.], member: $members["\(.)"], segments: $segments["\(.)"]}] as $files
| (.links.target | length) as $count
| (.links.names | names($count)) as $n
| (.links | {directory: (.directory | runs), uid: (.uid | runs), gid: (.gid | runs), mtime: (.mtime | sums), target}) as $c
| [range($count) | {path: below($paths[$c.directory[.]]; $n[.]), raw: $raw.links["\(.)"], uid: $c.uid[.], gid: $c.gid[.], mtime: $c.mtime[.], target: $c.target[.]}] as $links
| [$m.hardLinks | to_entries[] | {path: below($paths[.value[0]]; .value[1]), raw: $raw.hardLinks["\(.key)"], to: $files[.value[2]]}] as $hard
| def object: $m.chunks.sha256[.] as $sha | "chunks/\($sha[0:2])/\($sha)" + (if $m.chunks.kind[.:. + 1] == "g" then ".tar.zst" else ".zst" end);
  ($directories[1:] | map(at) | batches | "mkdir -p -- \(.)"),
  ($files | map(select(.chunk == -1) | at) | batches | "empty \(.)"),
  ($files | map(select(.chunk >= 0 and .member == null)) | group_by(.chunk)[]
    | (map(quoted("")) | batches | "members \(.)"), "group \(.[0].chunk | object)"),
  ($files[] | select(.member) | "moved \(.chunk | object) \(.member | @sh) \(at)"),
  ($files[] | select(.segments) | "big \(at) \(.segments | map(object) | join(" "))"),
  ($hard[] | "ln -- \(.to | at) \(at)"),
  ($links[] | "ln -s -- \(.target | @sh) \(at)"),
  ($files + $links + $directories | owners),
  ($files | modes),
  ($files + $links | times),
  ($directories | reverse[] | "chmod \(.mode | octal) -- \(at)", "touch -d @\(.mtime | seconds) -- \(at)")
'
mkdir -p "$out"
list=$(mktemp)
store=$PWD
zstd -dcq "$manifest" >"$list.json"
jq -r "$program" "$list.json" >"$list.sh"
(
  empty() { for file; do : >"$file"; done; }
  members() { printf '%s\0' "$@" >>"$list"; }
  group() { zstd -dcq "$store/$1" | tar -xf - --no-recursion --no-unquote --no-wildcards --null --verbatim-files-from -T "$list"; : >"$list"; }
  moved() { zstd -dcq "$store/$1" | tar -xOf - --no-unquote --no-wildcards -- "$2" >"$3"; }
  big() { file=$1; shift; for chunk; do zstd -dcq "$store/$chunk"; done >"$file"; }
  own() { if [ "$(id -u)" = 0 ]; then chown -h "$@"; fi; }
  cd "$out"
  . "$list.sh"
)
rm "$list" "$list.json" "$list.sh"
~~~
`
