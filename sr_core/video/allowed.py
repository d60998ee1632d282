"""Which containers are opened and which codecs are decoded: what cameras, studios, screens and archives use.

FFmpeg knows four hundred containers and five hundred decoders. Some name other files or addresses by design (playlists,
scripts, session descriptions); many are for games and forgotten machines, and few people have looked at them since.
"""

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,nut,flv,gif,apng,asf,mxf,ogg,dv,"
    "h264,hevc,av1,obu,ivf,m4v,yuv4mpegpipe,rm,wtv,swf,vob,mjpeg"
)
"""Names of demuxers, as FFmpeg's option ``format_whitelist`` takes them."""

_VIDEO = """
apng apv asv1 asv2 av1 avrn avrp avui bmp cavs cfhd cinepak cllc dirac dnxhd dvvideo ffv1 ffvhuff flashsv flashsv2 flv
fraps gif h261 h263 h263i h263p h264 hap hevc hq_hqa hqx huffyuv indeo2 indeo3 indeo4 indeo5 jpeg2000 jpegls lagarith
libdav1d libvpx libvpx-vp9 magicyuv mjpeg mjpegb mpeg1video mpeg2video mpeg4 mpegvideo msmpeg4 msmpeg4v1 msmpeg4v2
msrle msvideo1 mszh notchlc png prores prosumer qtrle r10k r210 rawvideo rpza rv10 rv20 rv30 rv40 smc snow speedhq
svq1 svq3 theora tiff tscc tscc2 utvideo v210 v308 v408 v410 vc1 vp3 vp4 vp5 vp6 vp6a vp6f vp7 vp8 vp9 vvc webp wmv1
wmv2 wmv3 y41p yuv4 zlib zmbv
"""
_AUDIO = """
aac aac_latm ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha alac als amrnb amrwb ape cook dca dvaudio
eac3 flac g722 g723_1 g726 gsm gsm_ms ilbc libopus mace3 mace6 mlp mp1 mp1float mp2 mp2float mp3 mp3float nellymoser
opus pcm_alaw pcm_bluray pcm_dvd pcm_f32be pcm_f32le pcm_f64be pcm_f64le pcm_mulaw pcm_s16be pcm_s16be_planar
pcm_s16le pcm_s16le_planar pcm_s24be pcm_s24le pcm_s24le_planar pcm_s32be pcm_s32le pcm_s32le_planar pcm_s8 pcm_u8
qdm2 real_144 real_288 s302m sipr speex tak truehd tta vorbis wavpack wmalossless wmapro wmav1 wmav2 wmavoice
"""
_SUBTITLES = "ass cc_dec dvbsub dvdsub mov_text pgssub srt ssa subrip text webvtt xsub"

VIDEO_DECODERS = frozenset(_VIDEO.split())
"""Names of FFmpeg's decoders for pictures; a stream of another one can be carried at most."""
DECODERS = VIDEO_DECODERS.union(_AUDIO.split(), _SUBTITLES.split())
"""All of them."""
