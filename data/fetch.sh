#!/bin/sh
# Gets Fashion-MNIST (31 MB) into data/fashion-mnist, where `fmnist-gpu train` looks first.
#
#   data/fetch.sh [ADDRESS]     ADDRESS: where the four files are, if not where they are published
#
# What is compared is the SHA-256 of each file's uncompressed content, since Debian's package holds
# the same content under other gzip headers. A file appears only once it is whole and right; one
# that is there and right is left alone.
set -eu

address=${1:-http://fashion-mnist.s3-website.eu-central-1.amazonaws.com}
folder=$(cd "$(dirname "$0")" && pwd)/fashion-mnist
partial=

cleanup() { [ -z "$partial" ] || rm -f "$partial"; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

die() {
    echo "fetch.sh: $1" >&2
    exit 1
}

download() { # address, file
    if command -v curl >/dev/null; then
        curl --fail --location --silent --show-error --output "$2" "$1"
    elif command -v wget >/dev/null; then
        wget --quiet --output-document="$2" "$1"
    else
        die "needs curl or wget"
    fi
}

sha256() {
    if command -v sha256sum >/dev/null; then
        sha256sum
    else
        shasum -a 256
    fi | cut -d ' ' -f 1
}

has_content() { # file, SHA-256 of what it holds
    gzip -t "$1" 2>/dev/null && [ "$(gzip -dc "$1" | sha256)" = "$2" ]
}

fetch() { # name, SHA-256 of the uncompressed content
    target=$folder/$1
    if [ -e "$target" ] && has_content "$target" "$2"; then
        echo "$1: already there"
        return
    fi
    partial=$(mktemp "$folder/.fetch-XXXXXX")
    download "$address/$1" "$partial" || die "cannot download $address/$1"
    has_content "$partial" "$2" || die "$address/$1 is not the Fashion-MNIST file: wrong SHA-256"
    chmod 644 "$partial"
    mv "$partial" "$target"
    partial=
    echo "$1: fetched and checked"
}

mkdir -p "$folder"
fetch train-images-idx3-ubyte.gz \
    c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
fetch train-labels-idx1-ubyte.gz \
    bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
fetch t10k-images-idx3-ubyte.gz \
    5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
fetch t10k-labels-idx1-ubyte.gz \
    0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
