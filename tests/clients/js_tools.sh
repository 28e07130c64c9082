# js_tools.sh: sourced with $here set and a function skip: sets $node to a Node.js of version 20 or newer, and installs what js/ needs.

install() {
  [ -d "$1/node_modules" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules" ] && return 0
  command -v npm > /dev/null || skip "npm is not installed (Debian package npm)"
  (cd "$1" && timeout 300 npm ci --silent > /dev/null 2>&1 && touch node_modules) || skip "npm could not install what $1/package.json names"
}

node=$(command -v node || true)
major=0
[ -z "$node" ] || major=$("$node" -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
  install "$here/node"
  node=$(ls "$here"/node/node_modules/node-linux-*/bin/node 2> /dev/null | head -n 1)
  [ -n "$node" ] || skip "there is no Node.js 20 for this machine"
fi
install "$here/js"
