package main

import (
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multibase"
	mh "github.com/multiformats/go-multihash"
)

// One content under every version, several codecs and hashes, and every base that go-multibase knows.
func cids() {
	header([]string{
		"CIDs as go-cid has them: `cid VERSION CODEC MULTIHASH BINARY BASE TEXT`, `refused TEXT` and `refused-binary BINARY`.",
		"Codec: its number in decimal; base: go-multibase's name, base58btc for version 0.",
	}, "github.com/ipfs/go-cid", "github.com/multiformats/go-multibase", "github.com/multiformats/go-multihash")
	content := []byte("a mesocosm")
	hash := must(mh.Sum(content, mh.SHA2_256, -1))
	printCid(cid.NewCidV0(hash), multibase.Base58BTC)
	for _, codec := range []uint64{cid.Raw, cid.DagProtobuf, cid.DagCBOR, cid.Libp2pKey, cid.GitRaw} {
		printCid(cid.NewCidV1(codec, hash), multibase.Base32)
	}
	for _, function := range []uint64{mh.IDENTITY, mh.SHA2_512, mh.BLAKE2B_MIN + 31} {
		printCid(cid.NewCidV1(cid.Raw, must(mh.Sum(content, function, -1))), multibase.Base32)
	}
	for _, base := range []multibase.Encoding{
		multibase.Base2, multibase.Base16, multibase.Base16Upper, multibase.Base32, multibase.Base32Upper, multibase.Base32pad,
		multibase.Base32padUpper, multibase.Base32hex, multibase.Base32hexUpper, multibase.Base32hexPad,
		multibase.Base32hexPadUpper, multibase.Base36, multibase.Base36Upper, multibase.Base58BTC, multibase.Base58Flickr,
		multibase.Base64, multibase.Base64url, multibase.Base64pad, multibase.Base64urlPad,
	} {
		printCid(cid.NewCidV1(cid.Raw, hash), base)
	}
	v0, v1 := cid.NewCidV0(hash), cid.NewCidV1(cid.Raw, hash)
	for _, text := range []string{
		"Q", v0.String()[:45], v0.String() + "1", "Q" + v1.String(), v1.String()[:20], v1.String()[1:], "b", "bafk0",
	} {
		if _, err := cid.Decode(text); err == nil {
			panic("accepted: " + text)
		}
		fmt.Println("refused", text)
	}
	for _, binary := range [][]byte{
		{1}, {1, 0x55}, {1, 0x55, 0x12}, {1, 0x55, 0x12, 0x20}, v1.Bytes()[:35], {0}, {2, 0x55, 0, 0}, {3, 0x55, 0, 0},
		v0.Bytes()[:33], append([]byte{1}, v0.Bytes()[:33]...), {0x81, 0, 0x55, 0, 0}, {1, 0xd5, 0, 0, 0},
		append(v1.Bytes(), 0), append(v0.Bytes(), 0),
	} {
		if _, err := cid.Cast(binary); err == nil {
			panic(fmt.Sprintf("accepted: %x", binary))
		}
		fmt.Printf("refused-binary %x\n", binary)
	}
}

func printCid(id cid.Cid, base multibase.Encoding) {
	text := must(id.StringOfBase(base))
	fmt.Printf("cid %d %d %x %x %s %s\n", id.Version(), id.Type(), []byte(id.Hash()), id.Bytes(), multibase.EncodingToStr[base], text)
}
