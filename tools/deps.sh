#!/bin/sh
# Install what casync needs, with the package manager of the system.
#
#   deps.sh build          compiler, Lua, libuv
#   deps.sh test           and what the specs need
#   deps.sh all            and what 'make check' and packaging need
#   deps.sh ci             and the slow checkers
#   deps.sh bench          build, and what 'make bench' compares with
#   deps.sh --check GROUP  install nothing: say what is missing, and fail
#
# When nothing is missing it says nothing, asks nothing and ends at once.
# CC, LUA, PKG_CONFIG, LUA_CFLAGS and LIBUV_LIBS are looked at as the
# Makefile does: what is given by hand is not searched for.

set -u

checkonly=no
if [ "${1:-}" = --check ]; then checkonly=yes; shift; fi
group=${1:-all}

case $group in
  build) level=1 ;;
  test) level=2 ;;
  all) level=3 ;;
  ci) level=4 ;;
  bench) level=1 ;;
  *) echo "deps.sh: no group '$group': it is build, test, all, ci or bench" >&2
     exit 2 ;;
esac

have () { command -v "$1" >/dev/null 2>&1; }

find_lua () {
  for l in ${LUA:-} lua5.4 lua54 lua-5.4 lua; do
    if have "$l" &&
       [ "$("$l" -e 'io.write(_VERSION)' 2>/dev/null)" = "Lua 5.4" ]; then
      echo "$l"
      return 0
    fi
  done
  return 1
}

has_lua_headers () {
  [ -n "${LUA_CFLAGS:-}" ] && return 0
  for p in lua5.4 lua-5.4 lua54 lua; do
    "${PKG_CONFIG:-pkg-config}" --exists "$p >= 5.4" 2>/dev/null && return 0
  done
  return 1
}

has_libuv () {
  [ -n "${LIBUV_LIBS:-}" ] && return 0
  "${PKG_CONFIG:-pkg-config}" --exists libuv 2>/dev/null
}

has_lua_module () {
  l=$(find_lua) && "$l" -e "require '$1'" >/dev/null 2>&1
}

has_uvloop () {
  for p in ${PYTHON:-/usr/bin/python3 python3}; do
    "$p" -c 'import uvloop' >/dev/null 2>&1 && return 0
  done
  return 1
}

# Names of what is missing, as keys of 'package_of' below.
missing () {
  have "${CC:-cc}" || echo cc
  have make || echo make
  have "${PKG_CONFIG:-pkg-config}" || [ -n "${LIBUV_LIBS:-}" ] || echo pkgconfig
  find_lua >/dev/null || echo lua
  has_lua_headers || echo luaheaders
  has_libuv || echo libuv
  if [ "$group" = bench ]; then
    has_uvloop || echo uvloop
    has_lua_module luv || echo lua-luv
    has_lua_module cqueues || echo lua-cqueues
    have "${GO:-go}" || echo go
    have "${NODE:-node}" || echo nodejs
  fi
  [ $level -ge 2 ] || return 0
  has_lua_module busted.runner || echo busted
  have python3 || echo python
  [ $level -ge 3 ] || return 0
  have luacheck || echo luacheck
  have luarocks || have luarocks-5.4 || echo luarocks
  [ $level -ge 4 ] || return 0
  have cppcheck || echo cppcheck
  have valgrind || echo valgrind
  have strace || echo strace
  have gcovr || echo gcovr
}

describe () {
  case $1 in
    cc) echo "a C compiler (${CC:-cc})" ;;
    make) echo "GNU make" ;;
    pkgconfig) echo "pkg-config" ;;
    lua) echo "the interpreter of Lua 5.4" ;;
    luaheaders) echo "the C headers of Lua 5.4" ;;
    libuv) echo "libuv and its headers" ;;
    busted) echo "busted for Lua 5.4" ;;
    *) echo "$1" ;;
  esac
}

# The package with $2 on the system with the package manager $1.
package_of () {
  case $1:$2 in
    apt:cc) echo build-essential ;;
    apt:pkgconfig) echo pkg-config ;;
    apt:lua) echo lua5.4 ;;
    apt:luaheaders) echo liblua5.4-dev ;;
    apt:libuv) echo libuv1-dev ;;
    apt:busted) echo lua-busted ;;
    apt:python|dnf:python|apk:python) echo python3 ;;
    apt:luacheck) echo lua-check ;;
    apt:go) echo golang-go ;;
    apt:uvloop|dnf:uvloop) echo python3-uvloop ;;
    dnf:go) echo golang ;;
    apk:uvloop) echo py3-uvloop ;;
    apk:lua-luv) echo lua5.4-luv ;;
    apk:lua-cqueues) echo lua5.4-cqueues ;;
    pacman:uvloop) echo python-uvloop ;;
    brew:nodejs) echo node ;;
    dnf:cc|apk:pkgconfig|dnf:pkgconfig)
      [ "$2" = cc ] && echo gcc || echo pkgconf ;;
    dnf:lua) echo lua ;;
    dnf:luaheaders) echo lua-devel ;;
    dnf:libuv) echo libuv-devel ;;
    dnf:busted) echo lua-busted ;;
    dnf:luacheck) echo luacheck ;;
    apk:cc) echo build-base ;;
    apk:lua) echo lua5.4 ;;
    apk:luaheaders) echo lua5.4-dev ;;
    apk:libuv) echo libuv-dev ;;
    apk:busted) echo lua5.4-busted ;;
    apk:luarocks) echo luarocks5.4 ;;
    apk:luacheck) echo luacheck ;;
    pacman:cc) echo gcc ;;
    pacman:pkgconfig) echo pkgconf ;;
    pacman:lua|pacman:luaheaders) echo lua54 ;;
    pacman:busted) echo lua-busted ;;
    brew:cc) echo gcc ;;
    brew:pkgconfig) echo pkgconf ;;
    brew:lua|brew:luaheaders) echo lua@5.4 ;;
    brew:python) echo python3 ;;
    *) echo "$2" ;;
  esac
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

if [ $checkonly = yes ]; then
  {
    echo "casync cannot be built, for this is missing:"
    for w in $wanted; do echo "  $(describe "$w")"; done
    echo "'make deps' installs it with the system's package manager. If it is"
    echo "there, say where: make CC=... LUA=... LUA_CFLAGS=-I... LIBUV_LIBS=..."
  } >&2
  exit 1
fi

manager=
for m in apt-get dnf apk pacman brew; do
  if have $m; then manager=${m%-get}; break; fi
done
if [ -z "$manager" ]; then
  {
    echo "No package manager found (apt, dnf, apk, pacman, brew). Please install:"
    for w in $wanted; do echo "  $(describe "$w")"; done
  } >&2
  exit 1
fi

packages=
for w in $wanted; do
  p=$(package_of "$manager" "$w")
  case " $packages " in *" $p "*) ;; *) packages="$packages $p" ;; esac
done

as_root () {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo ${CI:+-n} "$@"
  else
    echo "casync needs packages, but this is not root and there is no sudo." >&2
    echo "Please run as root: $*" >&2
    return 1
  fi
}

apt_install () {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y \
    -o DPkg::Lock::Timeout=300 --no-install-recommends install $packages
}

echo "installing:$packages"
case $manager in
  # The list of packages may be missing or too old: then once more.
  apt) apt_install ||
       { as_root env DEBIAN_FRONTEND=noninteractive apt-get update &&
         apt_install; } ;;
  dnf) as_root dnf -y install $packages ;;
  apk) as_root apk add $packages ;;
  pacman) as_root pacman -S --noconfirm --needed $packages ;;
  brew) brew install $packages ;;
esac </dev/null || { echo "deps.sh: could not install:$packages" >&2; exit 1; }

left=$(missing)
if [ -n "$left" ]; then
  {
    echo "Installed, but these are still not found:"
    for w in $left; do echo "  $(describe "$w")"; done
    case " $left " in *busted*)
      echo "busted can come from LuaRocks: luarocks --lua-version=5.4 install busted"
    esac
  } >&2
  exit 1
fi
